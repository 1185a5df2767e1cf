"""What a short Python program prints; the keys come from running it."""

import json
import random
import subprocess
import sys
from collections.abc import Iterable

from drafts import GOODS, Draft, near

WORDS = ("garden", "window", "bottle", "silver", "market", "pencil", "orange", "winter", "castle", "planet")


def draft(rng: random.Random, program: str, slips: Iterable[object] = ()) -> Draft:
    """Two of the `slips` are the wrong answers; without any, numbers close to the right one."""
    python = [sys.executable, "-I", "-c", program]
    right = subprocess.run(python, check=True, capture_output=True, text=True).stdout.rstrip("\n")
    wrong = sorted({str(slip) for slip in slips} - {right})
    return Draft(f"{program}  # prints", right, rng.sample(wrong, 2) if wrong else near(rng, int(right)))


def variables(rng: random.Random) -> Draft:
    a, b, c = rng.sample(range(2, 20), 3)
    programs = (
        f"x = {a}\ny = {b}\nprint(x + y)",
        f"x = {a}\nx = x + {b}\nprint(x)",
        f"x = {a}\ny = x + {b}\nx = {c}\nprint(y)",
        f"x = {a}\ny = x\nx = {b}\nprint(y)",
    )
    return draft(rng, rng.choice(programs))


def strings(rng: random.Random) -> Draft:
    a, b, *others = rng.sample(WORDS, 5)
    i = rng.randint(1, 3)
    program, slips = rng.choice(
        (
            (f'word = "{a}"\nprint(word.upper())', [other.upper() for other in others]),
            (f'word = "{a}"\nprint(word[0])', a[1:]),
            (f'word = "{a}"\nprint(word[:{i + 1}])', (a[i + 1 :], a[1 : i + 2], a[-i - 1 :])),
            (f'first = "{a}"\nsecond = "{b}"\nprint(second + first)', [a + b, *(b + other for other in others)]),
            (f'words = ["{a}", "{b}"]\nprint("-".join(words))', (f"{b}-{a}", f"{a}-{a}", f"{b}-{b}")),
        )
    )
    return draft(rng, program, slips)


def lists(rng: random.Random) -> Draft:
    numbers = rng.sample(range(1, 20), 4)
    programs = ("numbers[0]", "numbers[2]", "numbers[-1]", "max(numbers)", "min(numbers)", "sorted(numbers)[0]")
    return draft(rng, f"numbers = {numbers}\nprint({rng.choice(programs)})", numbers)


def loops(rng: random.Random) -> Draft:
    a, b, times = rng.randint(1, 4), rng.randint(2, 5), rng.randint(3, 6)
    numbers = rng.sample(range(1, 10), 5)
    programs = (
        f"total = 0\nfor i in range({times}):\n    total += i\nprint(total)",
        f"total = {a}\nfor i in range({times}):\n    total += {b}\nprint(total)",
        f"count = 0\nfor n in {numbers}:\n    if n > {times}:\n        count += 1\nprint(count)",
        f"x = {a}\nwhile x < {10 * b}:\n    x *= 2\nprint(x)",
    )
    return draft(rng, rng.choice(programs))


def branches(rng: random.Random) -> Draft:
    a, b = rng.sample(range(1, 30), 2)
    words = rng.sample(WORDS, 3)
    test = rng.choice((f"x > {b}", f"x < {b}", "x % 2 == 0"))
    program = f'x = {a}\nif {test}:\n    word = "{words[0]}"\nelse:\n    word = "{words[1]}"\nprint(word)'
    return draft(rng, program, words)


def functions(rng: random.Random) -> Draft:
    a, b = rng.sample(range(2, 10), 2)
    programs = (
        f"def f(x):\n    return x + {a}\n\nprint(f({b}))",
        f"def f(x):\n    return x * {a}\n\nprint(f({b}))",
        f"def f(x, y):\n    return x - y\n\nprint(f({a + b}, {b}))",
        f"def f(x):\n    return x + {a}\n\nprint(f(f({b})))",
    )
    return draft(rng, rng.choice(programs))


def mappings(rng: random.Random) -> Draft:
    goods, prices = rng.sample(GOODS, 3), rng.sample(range(2, 20), 4)
    programs = (
        f'print(prices["{goods[0]}"])',
        f'print(prices["{goods[1]}"])',
        f'prices["{goods[0]}"] = {prices[3]}\nprint(prices["{goods[0]}"])',
        "print(max(prices.values()))",
    )
    shown = json.dumps(dict(zip(goods, prices, strict=False)))
    return draft(rng, f"prices = {shown}\n{rng.choice(programs)}", prices)


KINDS = (variables, strings, lists, loops, branches, functions, mappings)
