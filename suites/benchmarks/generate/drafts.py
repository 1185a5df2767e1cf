"""What the generators share: a question before its choices are put in order, and how documents come of it."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

NAMES = ("Anna", "Ben", "Carl", "David", "Emma", "Frank", "Helen", "Jack", "Laura", "Mary", "Paul", "Tom")
GOODS = ("tea", "milk", "bread", "rice", "soap", "salt", "cheese", "butter", "honey", "fish")
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


Kind = Callable[[random.Random], Draft]


def near(rng: random.Random, right: int, count: int = 2) -> list[str]:
    """Wrong numbers close to `right`, none negative."""
    steps = (-10, -3, -2, -1, 1, 2, 3, 10)
    return [str(value) for value in rng.sample([right + s for s in steps if right + s >= 0], count)]


def documents(kind: Kind, rng: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """`count` distinct documents; the right answer stands in each position equally often."""
    drafts: dict[str, Draft] = {}
    while len(drafts) < count:
        draft = kind(rng)
        drafts.setdefault(draft.question, draft)
    places = [i % (1 + len(draft.wrong)) for i, draft in enumerate(drafts.values())]
    rng.shuffle(places)
    for draft, place in zip(drafts.values(), places, strict=True):
        choices = list(draft.wrong)
        choices.insert(place, draft.right)
        yield {"kind": kind.__name__, "question": draft.question, "choices": choices, "gold": place}
