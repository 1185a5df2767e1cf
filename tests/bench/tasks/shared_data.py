"""The data of the YAML files in this folder: JSON lines in `$HARNESS_SHARED/data`, not part of the project."""

import json
import os
from pathlib import Path
from typing import Any

from datasets import Dataset

SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parents[3].parent / "shared"))


def read(name: str) -> list[dict[str, Any]]:
    """The rows of a file."""
    text = (SHARED / "data" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def commonsense_qa(**_: Any) -> dict[str, Dataset]:
    """400 five-way questions; the answer's index is `key`."""
    rows = read("commonsense_qa_400")
    return {
        "test": Dataset.from_list(
            [
                {
                    "question": row["question"],
                    "options": row["choices"]["text"],
                    "key": row["choices"]["label"].index(row["answerKey"]),
                }
                for row in rows
            ]
        )
    }


def mmlu(**_: Any) -> dict[str, Dataset]:
    """570 four-way questions of 57 subjects, and the questions that examples are taken from."""
    return {"test": Dataset.from_list(read("mmlu_570")), "dev": Dataset.from_list(read("mmlu_dev"))}


def gsm8k(**_: Any) -> dict[str, Dataset]:
    """200 problems; the answer stands behind ####."""
    return {"test": Dataset.from_list(read("gsm8k_200"))}
