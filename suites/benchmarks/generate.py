"""Writes arithmetic.jsonl and ordering.jsonl beside this file: the same bytes on every run and machine.

    python suites/benchmarks/generate.py [FOLDER]

A document is one line of JSON, for instance

    {"kind": "line", "question": "The order in the line is Tom, Mary, Jack. The last in the line is",
     "choices": ["Mary", "Jack", "Tom"], "gold": 1}

Within a kind the position of the right answer is balanced and documents are distinct. No wrong choice is
right: `tests/benchmarks/test_documents.py` solves every question again, from its text alone.
"""

import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SEED = 20260101
PER_KIND = 28
NAMES = ("Anna", "Ben", "Carl", "David", "Emma", "Frank", "Helen", "Jack", "Laura", "Mary", "Paul", "Tom")
THINGS = ("apples", "books", "stamps", "marbles", "coins", "pencils", "shells", "cards")
GOODS = ("tea", "milk", "bread", "rice", "soap", "salt", "cheese", "butter", "honey", "fish")
ANIMALS = ("ant", "mouse", "cat", "goat", "horse", "elephant", "whale")  # by size
COLOURS = ("red", "blue", "green", "yellow", "black", "white")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Draft(NamedTuple):
    """A question before its choices are put in order."""

    question: str
    right: str
    wrong: Sequence[str]


def near(rng: random.Random, right: int, count: int = 2) -> list[str]:
    """Wrong numbers close to `right`, none negative."""
    steps = (-10, -3, -2, -1, 1, 2, 3, 10)
    return [str(value) for value in rng.sample([right + s for s in steps if right + s >= 0], count)]


def plus(rng: random.Random) -> Draft:
    a, b = rng.randint(3, 60), rng.randint(2, 30)
    return Draft(f"2 + 2 = 4, 13 + 4 = 17, {a} + {b} =", str(a + b), near(rng, a + b))


def minus(rng: random.Random) -> Draft:
    b = rng.randint(2, 15)
    a = b + rng.randint(1, 20)
    return Draft(f"9 - 4 = 5, 13 - 3 = 10, {a} - {b} =", str(a - b), near(rng, a - b))


def times(rng: random.Random) -> Draft:
    a, b = rng.randint(2, 12), rng.randint(2, 12)
    return Draft(f"2 x 4 = 8, 3 x 5 = 15, {a} x {b} =", str(a * b), near(rng, a * b))


def more(rng: random.Random) -> Draft:
    name, thing, a, b = rng.choice(NAMES), rng.choice(THINGS), rng.randint(2, 12), rng.randint(2, 9)
    question = f"{name} has {a} {thing} and gets {b} more. So now {name} has {a} + {b} ="
    return Draft(question, str(a + b), near(rng, a + b))


def fewer(rng: random.Random) -> Draft:
    name, thing, b = rng.choice(NAMES), rng.choice(THINGS), rng.randint(2, 6)
    a = b + rng.randint(1, 9)
    question = f"{name} has {a} {thing} and gives {b} away. So now {name} has {a} - {b} ="
    return Draft(question, str(a - b), near(rng, a - b))


def twice(rng: random.Random) -> Draft:
    a = rng.randint(2, 50)
    if rng.random() < 0.5:
        return Draft(f"Twice 4 is 8, twice 10 is 20, twice {a} is", str(2 * a), near(rng, 2 * a))
    return Draft(f"Half of 8 is 4, half of 20 is 10, half of {2 * a} is", str(a), near(rng, a))


def largest(rng: random.Random) -> Draft:
    chosen = rng.sample(ANIMALS, 3)
    *wrong, right = sorted(chosen, key=ANIMALS.index)
    question = f"Of the three animals {chosen[0]}, {chosen[1]} and {chosen[2]}, the largest is the"
    return Draft(question, right, wrong)


def lookup(rng: random.Random) -> Draft:
    goods, prices = rng.sample(GOODS, 4), rng.sample(range(2, 10), 4)
    table = "".join(f"{good}: {price}\n" for good, price in zip(goods, prices, strict=True))
    asked = rng.randrange(4)
    wrong = [str(price) for i, price in enumerate(prices) if i != asked]
    return Draft(f"Prices\n{table}Price of {goods[asked]}:", str(prices[asked]), wrong)


def sequence(rng: random.Random) -> Draft:
    start, step = rng.randint(1, 40), rng.choice((-4, -3, -2, -1, 2, 3, 4, 5, 6, 10))
    start += 4 * abs(step) if step < 0 else 0
    shown = ", ".join(str(start + i * step) for i in range(4))
    return Draft(f"{shown},", str(start + 4 * step), near(rng, start + 4 * step))


def calendar(rng: random.Random) -> Draft:
    names, unit = rng.choice(((MONTHS, "month"), (DAYS, "day")))
    at, (word, ahead) = rng.randrange(len(names)), rng.choice((("before", -1), ("after", 1)))
    right = names[(at + ahead) % len(names)]
    wrong = rng.sample([name for name in names if name not in (names[at], right)], 2)
    return Draft(f"The {unit} {word} {names[at]} is", right, wrong)


def pattern(rng: random.Random) -> Draft:
    colours, period = rng.sample(COLOURS, 3), rng.choice((2, 3))
    length = rng.randint(2 * period, 3 * period)
    shown = ", ".join(colours[i % period] for i in range(length))
    right = colours[length % period]
    return Draft(f"{shown},", right, [colour for colour in colours if colour != right])


def line(rng: random.Random) -> Draft:
    people = rng.sample(NAMES, 3)
    word, right = rng.choice((("first", people[0]), ("last", people[-1])))
    question = f"The order in the line is {', '.join(people)}. The {word} in the line is"
    return Draft(question, right, [name for name in people if name != right])


TASKS: dict[str, tuple[Callable[[random.Random], Draft], ...]] = {
    "arithmetic": (plus, minus, times, more, fewer, twice),
    "ordering": (largest, lookup, sequence, calendar, pattern, line),
}


def documents(kind: Callable[[random.Random], Draft], rng: random.Random) -> list[dict[str, Any]]:
    """PER_KIND distinct documents; the right answer stands in each position equally often."""
    drafts: dict[str, Draft] = {}
    while len(drafts) < PER_KIND:
        draft = kind(rng)
        drafts.setdefault(draft.question, draft)
    places = [i % (1 + len(draft.wrong)) for i, draft in enumerate(drafts.values())]
    rng.shuffle(places)
    return [_document(kind.__name__, draft, place) for draft, place in zip(drafts.values(), places, strict=True)]


def _document(kind: str, draft: Draft, place: int) -> dict[str, Any]:
    choices = list(draft.wrong)
    choices.insert(place, draft.right)
    return {"kind": kind, "question": draft.question, "choices": choices, "gold": place}


def main(folder: Path) -> None:
    for task, kinds in TASKS.items():
        rng = random.Random(f"{SEED} {task}")
        rows = [row for kind in kinds for row in documents(kind, rng)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{task}.jsonl").write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
