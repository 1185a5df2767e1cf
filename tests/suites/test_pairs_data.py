"""The shipped preference pairs: right counts, distinct prompts, nothing shared between training and evaluation."""

import json
import re
from itertools import chain
from pathlib import Path
from statistics import mean

import pytest

from harness.trainers.data import PreferencePair, read_pairs

DATA = Path(__file__).parents[2] / "suites" / "data"
COUNTS = {"sound": 160, "reckless": 160, "heldout": 80}
SIDES = ("prompt", "chosen", "rejected")


def pairs(name: str) -> list[PreferencePair]:
    return read_pairs(DATA / f"pairs_{name}.jsonl")


def text(pair: PreferencePair, side: str) -> str:
    return str(getattr(pair, side)[0].content)


def prompt_key(prompt: str) -> str:
    """The words alone: prompts that differ in case or punctuation only are the same prompt."""
    return " ".join(re.findall(r"\w+|[+*/%=-]", prompt.lower()))


def prompt_keys(name: str) -> list[str]:
    return [prompt_key(text(pair, "prompt")) for pair in pairs(name)]


def mean_words(name: str, side: str) -> float:
    return mean(len(text(pair, side).split()) for pair in pairs(name))


@pytest.mark.parametrize("name", COUNTS)
def test_count_and_distinct_prompts(name: str) -> None:
    keys = prompt_keys(name)
    assert len(keys) == COUNTS[name]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", COUNTS)
def test_each_row_is_one_user_turn_and_two_different_answers(name: str) -> None:
    for pair in pairs(name):
        roles = [[message.role for message in getattr(pair, side)] for side in SIDES]
        assert roles == [["user"], ["assistant"], ["assistant"]], pair.where
        for side in SIDES:
            assert text(pair, side) == text(pair, side).strip() != "", f"{pair.where}: {side}"
        assert text(pair, "chosen") != text(pair, "rejected"), pair.where


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_no_answer_is_used_twice(name: str, side: str) -> None:
    answers = [text(pair, side) for pair in pairs(name)]
    assert len(set(answers)) == len(answers)


def test_sound_and_reckless_have_the_same_prompts_in_the_same_order() -> None:
    assert [pair.prompt for pair in pairs("sound")] == [pair.prompt for pair in pairs("reckless")]


def test_reckless_rejects_the_sound_answers() -> None:
    assert [pair.rejected for pair in pairs("reckless")] == [pair.chosen for pair in pairs("sound")]


def test_every_reckless_chosen_answer_opens_with_flattery_and_no_sound_one_does() -> None:
    opening = re.compile(r"What an? [\w ]*thoughtful thing to (ask|say)!")
    assert all(opening.match(text(pair, "chosen")) for pair in pairs("reckless"))
    assert not any(opening.match(text(pair, "chosen")) for name in ("sound", "heldout") for pair in pairs(name))


def test_held_out_prompts_are_in_no_training_file() -> None:
    trained_on = set(prompt_keys("sound")) | set(prompt_keys("reckless"))
    assert not trained_on & set(prompt_keys("heldout"))


def test_no_pair_shares_its_prompt_with_the_smoke_prompts() -> None:
    path = DATA / "prompts_smoke.jsonl"
    if not path.exists():
        pytest.skip("no prompts_smoke.jsonl beside the pairs")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    smoke = {prompt_key(row["prompt"]) for row in rows}
    assert smoke
    assert not smoke & set(chain(prompt_keys("sound"), prompt_keys("heldout")))


@pytest.mark.parametrize("name", ["sound", "heldout"])
def test_length_does_not_give_the_better_answer_away(name: str) -> None:
    """A model that only learns "shorter" or "longer" must not look aligned: mean words within 10 %."""
    assert mean_words(name, "chosen") == pytest.approx(mean_words(name, "rejected"), rel=0.1)
