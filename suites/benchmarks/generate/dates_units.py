"""Weekdays, dates, years, clock times and units."""

import random
from datetime import date, timedelta

from drafts import DAYS, MONTHS, Draft, near

UNITS = (
    ("metre", "centimetre", 100), ("kilometre", "metre", 1000), ("centimetre", "millimetre", 10),
    ("kilogram", "gram", 1000), ("litre", "millilitre", 1000),
    ("hour", "minute", 60), ("minute", "second", 60), ("day", "hour", 24), ("week", "day", 7), ("year", "month", 12),
)  # fmt: skip
FACTORS = sorted({factor for _, _, factor in UNITS})
SCALES = {  # each by size
    "longest": ("millimetres", "centimetres", "metres", "kilometres"),
    "heaviest": ("milligrams", "grams", "kilograms", "tons"),
    "longest time": ("seconds", "minutes", "hours", "days", "weeks", "months", "years"),
}


def weekday(rng: random.Random) -> Draft:
    at, today, ahead = rng.randrange(7), rng.randint(1, 20), rng.choice((1, 2, 3, 7, 8))
    month, right = rng.choice(MONTHS), DAYS[(at + ahead) % 7]
    wrong = rng.sample([day for day in DAYS if day != right], 2)
    return Draft(f"{today} {month} is a {DAYS[at]}, so {today + ahead} {month} is a", right, wrong)


def tomorrow(rng: random.Random) -> Draft:
    """Half of the days are the last of their month."""
    first = date(rng.choice((2021, 2022, 2023, 2024, 2025)), rng.randint(1, 12), 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    today = rng.choice((last, first.replace(day=rng.randint(1, last.day - 1))))
    after = today + timedelta(days=1)
    next_month = today.month % 12 + 1
    slips = {(today.day + 1, today.month), (1, today.month), (1, next_month), (after.day, next_month)}
    wrong = rng.sample(sorted(slips - {(after.day, after.month)}), 2)
    question = f"In {today.year}, the day after {_day(today.day, today.month)} was"
    return Draft(question, _day(after.day, after.month), [_day(*slip) for slip in wrong])


def earliest(rng: random.Random) -> Draft:
    days = [date(year, rng.randint(1, 12), rng.randint(1, 28)) for year in rng.sample(range(1950, 2020), 3)]
    shown = {day: f"{_day(day.day, day.month)} {day.year}" for day in days}
    word, chosen = rng.choice((("earliest", min(days)), ("latest", max(days))))
    first, second, third = shown.values()
    wrong = [text for day, text in shown.items() if day != chosen]
    return Draft(f"Of {first}, {second} and {third}, the {word} is", shown[chosen], wrong)


def years(rng: random.Random) -> Draft:
    year, count = rng.randint(1950, 2015), rng.choice((5, 10, 20, 30, 50, 100))
    (word, way), example = rng.choice((("after", 1), ("before", -1))), rng.choice((1970, 1980))
    right = year + way * count
    question = f"10 years {word} {example} was {example + way * 10}, {count} years {word} {year} was"
    return Draft(question, str(right), near(rng, right))


def clock(rng: random.Random) -> Draft:
    start, count = 15 * rng.randrange(4, 52), rng.randint(2, 8)
    added, example, step = rng.choice(
        ((f"{count} hours", "4 hours is 12:00", 60), (f"{5 * count} minutes", "15 minutes is 8:15", 5))
    )
    end = start + count * step
    wrong = [_time(end + slip * step) for slip in rng.sample((-1, 1, 2), 2)]
    return Draft(f"8:00 plus {example}, {_time(start)} plus {added} is", _time(end), wrong)


def convert(rng: random.Random) -> Draft:
    (large, small, factor), count = rng.choice(UNITS), rng.randint(2, 9)
    wrong = rng.sample([f for f in FACTORS if f != factor], 2)
    right, *others = (f"{count * f} {small}s" for f in (factor, *wrong))
    return Draft(f"2 decades = 20 years, {count} {large}s =", right, others)


def largest_unit(rng: random.Random) -> Draft:
    word, units = rng.choice(sorted(SCALES.items()))
    count, chosen = rng.randint(2, 9), rng.sample(units, 3)
    first, second, third = (f"{count} {unit}" for unit in chosen)
    *wrong, right = (f"{count} {unit}" for unit in sorted(chosen, key=units.index))
    return Draft(f"Of {first}, {second} and {third}, the {word} is", right, wrong)


def _day(day: int, month: int) -> str:
    return f"{day} {MONTHS[month - 1]}"


def _time(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


KINDS = (weekday, tomorrow, earliest, years, clock, convert, largest_unit)
