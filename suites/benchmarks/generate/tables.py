"""Reading from small tables: a cell, the row of a value, the extreme and whose it is, a count, the ends."""

import random
from typing import NamedTuple

from drafts import DAYS, GOODS, NAMES, Draft

CITIES = ("Rome", "Paris", "Berlin", "London", "Madrid", "Vienna", "Oslo", "Athens")
COUNTS = ("once", "twice", "three times", "four times")
SUBJECTS = (  # header, labels, numbers, words
    (("name", "age", "city"), NAMES, range(15, 80), CITIES),
    (("item", "price", "seller"), GOODS, range(2, 30), NAMES),
    (("day", "guests", "cook"), DAYS, range(5, 60), NAMES),
    (("city", "degrees", "reporter"), CITIES, range(1, 35), NAMES),
)


class Row(NamedTuple):
    label: str
    number: int
    word: str


class Table(NamedTuple):
    """A header and rows; within a column all values are distinct."""

    header: tuple[str, str, str]
    rows: list[Row]

    def __str__(self) -> str:
        return "\n".join(", ".join(map(str, row)) for row in (self.header, *self.rows))


def table(rng: random.Random, size: int = 4) -> Table:
    header, labels, numbers, words = rng.choice(SUBJECTS)
    columns = (rng.sample(values, size) for values in (labels, numbers, words))
    return Table(header, [Row(*row) for row in zip(*columns, strict=True)])


def cell(rng: random.Random) -> Draft:
    shown, column = table(rng), rng.choice((1, 2))
    example, asked, *others = rng.sample(shown.rows, 4)
    of = f"{shown.header[column]} of"
    question = f"{shown}\n\n{of} {example.label}: {example[column]}\n{of} {asked.label}:"
    return Draft(question, str(asked[column]), [str(row[column]) for row in others])


def owner(rng: random.Random) -> Draft:
    shown, column = table(rng), rng.choice((1, 2))
    example, asked, *others = rng.sample(shown.rows, 4)
    label, value = shown.header[0], shown.header[column]
    question = (
        f"{shown}\n\n{label} with {value} {example[column]}: {example.label}\n{label} with {value} {asked[column]}:"
    )
    return Draft(question, asked.label, [row.label for row in others])


def extreme(rng: random.Random) -> Draft:
    shown = table(rng)
    word, right, others = _ranked(rng, shown)
    return Draft(f"{shown}\n\nThe {word} number of all is", str(right.number), [str(row.number) for row in others])


def leader(rng: random.Random) -> Draft:
    shown = table(rng)
    word, right, others = _ranked(rng, shown)
    question = f"{shown}\n\nThe {shown.header[0]} with the {word} number is"
    return Draft(question, right.label, [row.label for row in others])


def count(rng: random.Random) -> Draft:
    shown, times = table(rng, 5), rng.randint(1, 4)
    asked, *others = rng.sample([row.word for row in shown.rows], 3)
    words = [asked] * times + [others[i % 2] for i in range(5 - times)]
    rng.shuffle(words)
    rows = [row._replace(word=word) for row, word in zip(shown.rows, words, strict=True)]
    wrong = rng.sample([text for text in COUNTS if text != COUNTS[times - 1]], 2)
    return Draft(f"{shown._replace(rows=rows)}\n\n{asked} stands in the table", COUNTS[times - 1], wrong)


def ends(rng: random.Random) -> Draft:
    shown, column = table(rng), rng.choice((0, 2))
    word, right = rng.choice((("first", shown.rows[0]), ("last", shown.rows[-1])))
    others = rng.sample([row[column] for row in shown.rows if row != right], 2)
    return Draft(
        f"{shown}\n\nThe {shown.header[column]} in the {word} row is", str(right[column]), [str(o) for o in others]
    )


def _ranked(rng: random.Random, shown: Table) -> tuple[str, Row, list[Row]]:
    """A superlative, the row that it fits, and two other rows."""
    lowest, *middle, highest = sorted(shown.rows, key=lambda row: row.number)
    word, right, other = rng.choice((("highest", highest, lowest), ("lowest", lowest, highest)))
    return word, right, rng.sample([*middle, other], 2)


KINDS = (cell, owner, extreme, leader, count, ends)
