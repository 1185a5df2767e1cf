"""Sums, differences, products, doubling and halving."""

import random

from drafts import NAMES, Draft, near

THINGS = ("apples", "books", "stamps", "marbles", "coins", "pencils", "shells", "cards")


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


KINDS = (plus, minus, times, more, fewer, twice)
