"""The shipped benchmarks: every generated question solved again from its text, keys balanced, bytes fixed."""

import calendar
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "suites" / "benchmarks"
SIZES = ["ant", "mouse", "cat", "goat", "horse", "elephant", "whale"]
MONTHS = list(calendar.month_name)[1:]
DAYS = list(calendar.day_name)


def read(task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{task}.jsonl").read_text().splitlines()]


def formula(question: str) -> str:
    left, sign, right = re.search(r"(\d+) ([-+x]) (\d+) =$", question).groups()
    a, b = int(left), int(right)
    return str({"+": a + b, "-": a - b, "x": a * b}[sign])


def story(question: str) -> str:
    # From the sentence, not from the formula after it.
    has, change = (int(n) for n in re.findall(r"\d+", question.split(". ")[0]))
    told = has - change if "away" in question else has + change
    assert str(told) == formula(question)
    return str(told)


def twice(question: str) -> str:
    number = int(re.search(r"(\d+) is$", question).group(1))
    return str(number * 2 if question.startswith("Twice") else number // 2)


def largest(question: str) -> str:
    return max(re.match(r"Of the three animals (\w+), (\w+) and (\w+),", question).groups(), key=SIZES.index)


def lookup(question: str) -> str:
    table = dict(re.findall(r"^(\w+): (\d+)$", question, flags=re.MULTILINE))
    return table[re.search(r"Price of (\w+):$", question).group(1)]


def sequence(question: str) -> str:
    numbers = [int(n) for n in question.rstrip(",").split(", ")]
    (step,) = {b - a for a, b in pairwise(numbers)}
    return str(numbers[-1] + step)


def neighbour(question: str) -> str:
    unit, word, name = re.match(r"The (\w+) (\w+) (\w+) is$", question).groups()
    names = MONTHS if unit == "month" else DAYS
    return names[(names.index(name) + (1 if word == "after" else -1)) % len(names)]


def pattern(question: str) -> str:
    shown = question.rstrip(",").split(", ")
    period = len(set(shown))
    assert all(colour == shown[i % period] for i, colour in enumerate(shown))
    return shown[len(shown) % period]


def line(question: str) -> str:
    *people, word = re.match(r"The order in the line is (\w+), (\w+), (\w+)\. The (\w+) in", question).groups()
    return people[0] if word == "first" else people[-1]


SOLVERS: dict[str, dict[str, Callable[[str], str]]] = {
    "arithmetic": {
        "plus": formula,
        "minus": formula,
        "times": formula,
        "more": story,
        "fewer": story,
        "twice": twice,
    },
    "ordering": {
        "largest": largest,
        "lookup": lookup,
        "sequence": sequence,
        "calendar": neighbour,
        "pattern": pattern,
        "line": line,
    },
}


@pytest.mark.parametrize("task", SOLVERS)
def test_every_generated_key_is_the_only_right_choice(task: str) -> None:
    for document in read(task):
        answer = SOLVERS[task][document["kind"]](document["question"])
        assert [choice == answer for choice in document["choices"]].index(True) == document["gold"], document
        assert document["choices"].count(answer) == 1, document


@pytest.mark.parametrize("task", ["arithmetic", "ordering", "commonsense"])
def test_documents_are_distinct_short_and_balanced(task: str) -> None:
    documents = read(task)
    assert len({document["question"] for document in documents}) == len(documents)
    for document in documents:
        choices = document["choices"]
        assert 2 <= len(choices) <= 4 and len(set(choices)) == len(choices), document
        assert all(choice == choice.strip() and 0 < len(choice) < 25 for choice in choices), document
        assert document["question"] == document["question"].strip() and len(document["question"]) < 90, document
    for size in (2, 3, 4):
        golds = Counter(d["gold"] for d in documents if len(d["choices"]) == size)
        assert not golds or max(golds.values()) - min(golds[i] for i in range(size)) <= 6, (task, size, golds)


def test_sizes() -> None:
    sizes = {task: len(read(task)) for task in ("arithmetic", "ordering", "commonsense")}
    assert sizes == {"arithmetic": 168, "ordering": 168, "commonsense": 150}


def test_the_generator_rewrites_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, FOLDER / "generate.py", tmp_path], check=True)
    for task in SOLVERS:
        assert (tmp_path / f"{task}.jsonl").read_bytes() == (FOLDER / f"{task}.jsonl").read_bytes()
