"""Writes the generated benchmarks' .jsonl files: the same bytes on every run and machine.

    python suites/benchmarks/generate [FOLDER]

A document is one line of JSON, for instance

    {"kind": "line", "question": "The order in the line is Tom, Mary, Jack. The last in the line is",
     "choices": ["Mary", "Jack", "Tom"], "gold": 1}

Within a kind the position of the right answer is balanced and documents are distinct. No wrong choice is
right: `tests/benchmarks/test_documents.py` solves every question again, from its text alone.
"""

import json
import random
import sys
from pathlib import Path

import arithmetic
import code_output
import dates_units
import ordering
import tables
from drafts import documents

SEED = 20260101
TASKS = {  # name: documents of each kind, kinds
    "arithmetic": (28, arithmetic.KINDS),
    "ordering": (28, ordering.KINDS),
    "dates_units": (21, dates_units.KINDS),
    "code": (18, code_output.KINDS),
    "tables": (24, tables.KINDS),
}


def main(folder: Path) -> None:
    for task, (count, kinds) in TASKS.items():
        rng = random.Random(f"{SEED} {task}")
        rows = [row for kind in kinds for row in documents(kind, rng, count)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{task}.jsonl").write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
