"""Preference pairs: both formats of TRL, one clear error for each wrong row, and the split by prompt."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.trainers import DataError
from harness.trainers.data import Message, PreferencePair, read_pairs, split_by_prompt

PLAIN = {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}
CONVERSATION = {
    "prompt": [{"role": "system", "content": ""}, {"role": "user", "content": "Colour of the sky?"}],
    "chosen": [{"role": "assistant", "content": "Blue."}],
    "rejected": [{"role": "assistant", "content": "Green."}],
}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_both_formats(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", PLAIN | {"source": "kept out"}, CONVERSATION)
    first, second = read_pairs(path)
    assert first == PreferencePair("The sky is", " blue.", " green.", 1, str(path))
    assert second.prompt == (Message("system", ""), Message("user", "Colour of the sky?"))
    assert second.chosen == (Message("assistant", "Blue."),)
    assert second.where == f"{path}:2"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a", "chosen": "b"}, "'rejected' must be a non-empty string or message list, got nothing"),
        (PLAIN | {"chosen": None}, "'chosen' must be .*, got null"),
        (PLAIN | {"chosen": 3}, "'chosen' must be .*, got a number"),
        (PLAIN | {"chosen": ""}, "'chosen' must be .*, got an empty one"),
        (PLAIN | {"rejected": " \n"}, "'rejected' must be .*, got only white space"),
        (PLAIN | {"prompt": []}, "'prompt' must be .*, got an empty one"),
        (PLAIN | {"rejected": " blue."}, "are the same"),
        (PLAIN | {"chosen": "x\ud800"}, r"'chosen' holds half a surrogate pair \(U\+D800\)"),
        (PLAIN | {"tools": [{"name": "f"}]}, "'tools' is not supported"),
        (CONVERSATION | {"chosen": "Blue."}, "got a mixture"),
        (CONVERSATION | {"chosen": ["Blue."]}, "'chosen' message 1 must be an object .*, got a string"),
        (CONVERSATION | {"chosen": [{"role": "assistant"}]}, "message 1: 'content' must be a string, got nothing"),
        (CONVERSATION | {"chosen": [{"role": 1, "content": "x"}]}, "message 1: 'role' must be a string, got a number"),
        (CONVERSATION | {"chosen": [{"role": "user", "content": "x"}]}, "must start with an assistant message"),
        (CONVERSATION | {"chosen": [{"role": "assistant", "content": " "}]}, "'chosen' must hold some text"),
        (
            CONVERSATION | {"chosen": [{"role": "assistant", "content": "x", "tool_calls": [1]}]},
            "only 'role' and 'content' are supported, got 'tool_calls'",
        ),
    ],
)
def test_a_wrong_row_is_one_error_with_its_place(tmp_path: Path, row: Any, message: str) -> None:
    path = write(tmp_path / "pairs.jsonl", PLAIN, row)
    with pytest.raises(DataError, match=rf"pairs\.jsonl:2: .*{message}"):
        read_pairs(path)


def pairs(*prompts: str) -> list[PreferencePair]:
    return [PreferencePair(prompt, "a", "b", row) for row, prompt in enumerate(prompts, 1)]


def test_no_prompt_is_on_both_sides_of_a_split() -> None:
    everything = pairs(*"aabbccddee")
    train, held_out = split_by_prompt(everything, 0.4, seed=0)
    assert len({pair.prompt for pair in held_out}) == 2
    assert {pair.prompt for pair in train}.isdisjoint(pair.prompt for pair in held_out)
    assert sorted(train + held_out, key=lambda pair: pair.row) == everything


def test_a_split_is_decided_by_its_seed() -> None:
    everything = pairs(*"abcdefghij")
    held_out = [split_by_prompt(everything, 0.3, seed)[1] for seed in (0, 0, 1)]
    assert held_out[0] == held_out[1] != held_out[2]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_a_split_leaves_something_on_both_sides(fraction: float) -> None:
    train, held_out = split_by_prompt(pairs("a", "b", "c"), fraction, seed=0)
    assert train
    assert held_out


def test_one_prompt_cannot_be_split() -> None:
    with pytest.raises(DataError, match="two different prompts"):
        split_by_prompt(pairs("a", "a"), 0.5, seed=0)
