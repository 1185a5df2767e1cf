"""Sizes, prices, number sequences, calendar, patterns, places in a line."""

import random

from drafts import COLOURS, DAYS, GOODS, MONTHS, NAMES, Draft, near

ANIMALS = ("ant", "mouse", "cat", "goat", "horse", "elephant", "whale")  # by size


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


KINDS = (largest, lookup, sequence, calendar, pattern, line)
