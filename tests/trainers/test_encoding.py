"""Tokenisation: the border between prompt and response, ends of sequence, lengths."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from harness.trainers import DataError
from harness.trainers.data import Message, PreferencePair
from harness.trainers.encoding import encode_pair, encode_pairs


class WordTokenizer:
    """Splits at the places where a table says so, longest entry first; enough to make tokens merge."""

    eos_token = "$"
    chat_template = None

    def __init__(self, *vocabulary: str) -> None:
        self.vocabulary = sorted(vocabulary, key=len, reverse=True)

    def __call__(self, text: str) -> dict[str, list[int]]:
        ids = []
        while text:
            piece = next(entry for entry in self.vocabulary if text.startswith(entry))
            ids.append(self.vocabulary.index(piece))
            text = text.removeprefix(piece)
        return {"input_ids": ids}

    def ids(self, *pieces: str) -> tuple[int, ...]:
        return tuple(self.vocabulary.index(piece) for piece in pieces)


def conversation(chosen: str, rejected: str) -> PreferencePair:
    prompt = (Message("user", "hi"),)
    return PreferencePair(prompt, (Message("assistant", chosen),), (Message("assistant", rejected),), 7, "p.jsonl")


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


def test_plain_text_gets_the_end_of_sequence_unless_it_has_one() -> None:
    words = WordTokenizer("a", "b", "c", "$")
    encoded = encode_pair(PreferencePair("ab", "c", "b$"), words)
    assert encoded is not None
    assert encoded.prompt_ids == words.ids("a", "b")
    assert encoded.responses[0] == words.ids("c", "$")
    assert encoded.responses[1] == words.ids("b", "$")


def test_the_border_moves_back_where_a_token_spans_it() -> None:
    words = WordTokenizer("a", "b", "c", "bc", "$")
    encoded = encode_pair(PreferencePair("ab", "c", "a"), words)
    assert encoded is not None
    # "b" + "c" merge in the chosen sequence, so both responses begin behind "a", the shorter common prefix.
    assert encoded.prompt_ids == words.ids("a")
    assert encoded.responses[0] == words.ids("bc", "$")
    assert encoded.responses[1] == words.ids("b", "a", "$")


def test_a_prompt_that_merges_away_is_an_error() -> None:
    words = WordTokenizer("a", "b", "ab", "$")
    with pytest.raises(DataError, match=r"pairs:0: no token of the prompt"):
        encode_pair(PreferencePair("a", "b", "a"), words)


def test_a_conversation_is_rendered_with_its_generation_prompt(tokenizer: Any) -> None:
    encoded = encode_pair(conversation("yes", "no"), tokenizer)
    assert encoded is not None
    assert tokenizer.decode(encoded.prompt_ids) == "<|user|>hi<|end|><|assistant|>"
    assert tokenizer.decode(encoded.responses[0]) == "yes<|end|>"
    assert tokenizer.decode(encoded.responses[1]) == "no<|end|>"


def test_no_end_is_appended_to_a_template_without_one(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", "{% for m in messages %}{{ m.content }} {% endfor %}")
    encoded = encode_pair(conversation("yes", "no"), tokenizer)
    assert encoded is not None
    assert tokenizer.decode(encoded.responses[0]) == "yes "


def test_a_template_that_drops_the_answer_is_an_error(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", "{{ messages[0].content }}")
    with pytest.raises(DataError, match=r"p\.jsonl:7: .*does the chat template drop them"):
        encode_pair(conversation("yes", "no"), tokenizer)


def test_a_template_that_refuses_is_an_error(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", "{{ raise_exception('no system role') }}")
    with pytest.raises(DataError, match=r"p\.jsonl:7: .*no system role"):
        encode_pair(conversation("yes", "no"), tokenizer)


def test_messages_without_a_template_are_an_error(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", None)
    with pytest.raises(DataError, match=r"p\.jsonl:7: messages need a chat template"):
        encode_pair(conversation("yes", "no"), tokenizer)


@pytest.mark.parametrize(
    ("max_length", "chosen", "truncated"),
    [(7, "cdef$", False), (6, "cdef", True), (3, "c", True)],
    ids=["fits", "loses its end of sequence", "one token left"],
)
def test_a_long_response_loses_its_tail(max_length: int, chosen: str, truncated: bool) -> None:
    words = WordTokenizer(*"abcdef$")
    encoded = encode_pair(PreferencePair("ab", "cdef", "c"), words, max_length)
    assert encoded is not None
    assert encoded.responses[0] == words.ids(*chosen)
    assert encoded.truncated is truncated


def test_dropped_and_truncated_pairs_are_counted() -> None:
    words = WordTokenizer(*"abcdef$")
    pairs = [PreferencePair("a", "b", "c"), PreferencePair("aaaa", "b", "c"), PreferencePair("a", "bcdef", "c")]
    encoded = encode_pairs(pairs, words, max_length=4)
    assert (len(encoded.rows), encoded.dropped, encoded.truncated) == (2, 1, 1)
