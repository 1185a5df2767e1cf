"""The shipped benchmarks: every generated question solved again from its text, keys balanced, bytes fixed."""

import calendar
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "suites" / "benchmarks"
SIZES = ["ant", "mouse", "cat", "goat", "horse", "elephant", "whale"]
MONTHS = list(calendar.month_name)[1:]
DAYS = list(calendar.day_name)
OWN_WRITTEN = ("commonsense", "knowledge", "misconceptions")
DOCUMENTS = {
    "arithmetic": 168,
    "ordering": 168,
    "dates_units": 147,
    "code": 126,
    "tables": 144,
    "commonsense": 150,
    "knowledge": 112,
    "misconceptions": 93,
}
SMALLER = {
    "metre": "centimetre", "kilometre": "metre", "centimetre": "millimetre", "kilogram": "gram", "litre": "millilitre",
    "hour": "minute", "minute": "second", "day": "hour", "week": "day", "year": "month",
}  # fmt: skip
SIZE_OF = {  # in millimetres, grams, millilitres and seconds
    "millimetre": 1, "centimetre": 10, "metre": 1000, "kilometre": 10**6,
    "milligram": 0.001, "gram": 1, "kilogram": 1000, "ton": 10**6, "millilitre": 1, "litre": 1000,
    "second": 1, "minute": 60, "hour": 3600, "day": 24 * 3600, "week": 7 * 24 * 3600,
    "month": 365 * 2 * 3600, "year": 365 * 24 * 3600,
}  # fmt: skip


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


def weekday(question: str) -> str:
    first, month, day, later, same_month = re.match(r"(\d+) (\w+) is a (\w+), so (\d+) (\w+) is a$", question).groups()
    assert month == same_month and int(later) <= 28
    return DAYS[(DAYS.index(day) + int(later) - int(first)) % 7]


def tomorrow(question: str) -> str:
    year, day = re.match(r"In (\d+), the day after (.+) was$", question).groups()
    after = to_date(f"{day} {year}") + timedelta(days=1)
    return f"{after.day} {MONTHS[after.month - 1]}"


def earliest(question: str) -> str:
    *days, word = re.match(r"Of (.+), (.+) and (.+), the (\w+) is$", question).groups()
    return min(days, key=to_date) if word == "earliest" else max(days, key=to_date)


def to_date(text: str) -> date:
    return datetime.strptime(text, "%d %B %Y").date()


def years(question: str) -> str:
    example, asked = re.findall(r"(\d+) years (\w+) (\d+) was(?: (\d+))?", question)
    then, after = (int(year) + int(n) * (1 if word == "after" else -1) for n, word, year, _ in (example, asked))
    assert str(then) == example[3]
    return str(after)


def clock(question: str) -> str:
    added = re.findall(r"([\d:]+) plus (\d+) (\w+) is(?: ([\d:]+))?", question)
    times = [datetime.strptime(time, "%H:%M") + timedelta(**{unit: int(n)}) for time, n, unit, _ in added]
    shown, answer = (f"{time.hour}:{time.minute:02}" for time in times)
    assert shown == added[0][3]
    return answer


def in_base_units(measure: str) -> float:
    count, unit = measure.split()
    return int(count) * SIZE_OF[unit.removesuffix("s")]


def convert(question: str) -> str:
    measure = re.search(r", (\d+ \w+) =$", question).group(1)
    small = SMALLER[measure.split()[1].removesuffix("s")]
    return f"{in_base_units(measure) // SIZE_OF[small]:.0f} {small}s"


def largest_unit(question: str) -> str:
    measures = re.match(r"Of (\d+ \w+), (\d+ \w+) and (\d+ \w+), the [\w ]+ is$", question).groups()
    return max(measures, key=in_base_units)


def read_table(question: str) -> tuple[list[list[str]], str]:
    """Header and rows, and what is asked below them."""
    table, asked = question.split("\n\n")
    return [line.split(", ") for line in table.splitlines()], asked


def cell(question: str) -> str:
    (header, *rows), asked = read_table(question)
    (column, label, shown), (same, wanted, _) = re.findall(r"(\w+) of (\w+):(?: (\w+))?", asked)
    at = header.index(column)
    by_label = {row[0]: row[at] for row in rows}
    assert column == same and by_label[label] == shown
    return by_label[wanted]


def owner(question: str) -> str:
    (header, *rows), asked = read_table(question)
    (_, column, value, shown), (_, same, wanted, _) = re.findall(r"(\w+) with (\w+) (\w+):(?: (\w+))?", asked)
    at = header.index(column)
    by_value = {row[at]: row[0] for row in rows}
    assert column == same and by_value[value] == shown
    return by_value[wanted]


def extreme_row(question: str) -> list[str]:
    (_, *rows), asked = read_table(question)
    pick = max if "highest" in asked else min
    return pick(rows, key=lambda row: int(row[1]))


def count(question: str) -> str:
    table, asked = question.split("\n\n")
    return ["once", "twice", "three times", "four times"][len(re.findall(rf"\b{asked.split()[0]}\b", table)) - 1]


def ends(question: str) -> str:
    (header, *rows), asked = read_table(question)
    column, word = re.match(r"The (\w+) in the (first|last) row is$", asked).groups()
    return rows[0 if word == "first" else -1][header.index(column)]


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
    "dates_units": {
        "weekday": weekday,
        "tomorrow": tomorrow,
        "earliest": earliest,
        "years": years,
        "clock": clock,
        "convert": convert,
        "largest_unit": largest_unit,
    },
    "tables": {
        "cell": cell,
        "owner": owner,
        "extreme": lambda question: extreme_row(question)[1],
        "leader": lambda question: extreme_row(question)[0],
        "count": count,
        "ends": ends,
    },
}


@pytest.mark.parametrize("task", SOLVERS)
def test_every_generated_key_is_the_only_right_choice(task: str) -> None:
    for document in read(task):
        answer = SOLVERS[task][document["kind"]](document["question"])
        assert [choice == answer for choice in document["choices"]].index(True) == document["gold"], document
        assert document["choices"].count(answer) == 1, document


@pytest.mark.parametrize("task", DOCUMENTS)
def test_documents_are_distinct_short_and_balanced(task: str) -> None:
    documents = read(task)
    assert len({document["question"] for document in documents}) == len(documents) == DOCUMENTS[task]
    for document in documents:
        choices = document["choices"]
        assert 2 <= len(choices) <= 4 and len(set(choices)) == len(choices), document
        assert all(choice == choice.strip() and 0 < len(choice) < 25 for choice in choices), document
        assert document["question"] == document["question"].strip() and len(document["question"]) < 160, document
    for size in (2, 3, 4):
        golds = Counter(d["gold"] for d in documents if len(d["choices"]) == size)
        assert not golds or max(golds.values()) - min(golds[i] for i in range(size)) <= 6, (task, size, golds)


@pytest.mark.parametrize("task", DOCUMENTS)
@pytest.mark.parametrize("pick", [max, min])
def test_the_length_of_a_choice_gives_nothing_away(task: str, pick: Callable[[list[int]], int]) -> None:
    documents = read(task)
    by_length = by_chance = 0.0
    for document in documents:
        lengths = [len(choice) for choice in document["choices"]]
        if lengths[document["gold"]] == pick(lengths):
            by_length += 1 / lengths.count(pick(lengths))
        by_chance += 1 / len(lengths)
    assert abs(by_length - by_chance) / len(documents) < 0.08, (by_length, by_chance)


def test_own_written_questions_are_not_asked_twice() -> None:
    questions = [document["question"] for task in OWN_WRITTEN for document in read(task)]
    assert len(set(questions)) == len(questions)


def test_the_generator_rewrites_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-B", FOLDER / "generate", tmp_path], check=True)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(f"{task}.jsonl" for task in DOCUMENTS if task not in OWN_WRITTEN)
    for name in written:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
