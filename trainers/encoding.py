"""Tokenisation of preference pairs, token for token as TRL 1.16's DPOTrainer does it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any

from .data import Message, PreferencePair, Text
from .errors import DataError


@dataclass(frozen=True)
class EncodedPair:
    """Token ids of a pair; the sequences that a model scores are prompt + chosen and prompt + rejected."""

    prompt_ids: tuple[int, ...]
    chosen_ids: tuple[int, ...]
    rejected_ids: tuple[int, ...]
    truncated: bool = False
    """A response lost its tail, and with it its end of sequence."""

    @property
    def tokens(self) -> int:
        """Tokens in a row that shares the prompt."""
        return len(self.prompt_ids) + len(self.chosen_ids) + len(self.rejected_ids)


@dataclass(frozen=True)
class EncodedPairs:
    """The pairs that fit into `max_length`, in order, and what became of the others."""

    pairs: tuple[EncodedPair, ...]
    dropped: int
    truncated: int


def encode_pairs(pairs: Sequence[PreferencePair], tokenizer: Any, max_length: int | None) -> EncodedPairs:
    """Encode each pair as `encode_pair` does, and count the dropped and the truncated ones."""
    encoded = [encode_pair(pair, tokenizer, max_length) for pair in pairs]
    kept = tuple(pair for pair in encoded if pair is not None)
    return EncodedPairs(kept, len(pairs) - len(kept), sum(pair.truncated for pair in kept))


def encode_pair(pair: PreferencePair, tokenizer: Any, max_length: int | None = None) -> EncodedPair | None:
    """Encode a pair; None if the prompt alone fills `max_length`, which would leave no response token.

    Prompt and response are tokenised jointly, since tokens may merge across their border: the responses
    begin where either joint sequence leaves the tokenised prompt. Conversations are rendered by the chat
    template (the prompt with its generation prompt) and end as it ends them. Plain text gets the end of
    sequence appended, unless it ends with it. A longer sequence than `max_length` loses its tail.
    """
    prompt, chosen, rejected = _token_ids(pair, tokenizer)
    border = min(_common_prefix(prompt, chosen), _common_prefix(prompt, rejected))
    encoded = EncodedPair(tuple(prompt[:border]), tuple(chosen[border:]), tuple(rejected[border:]))
    _check(encoded, pair)
    return encoded if max_length is None else _fit(encoded, max_length)


def _fit(encoded: EncodedPair, max_length: int) -> EncodedPair | None:
    room = max_length - len(encoded.prompt_ids)
    if room <= 0:
        return None
    if room >= max(len(encoded.chosen_ids), len(encoded.rejected_ids)):
        return encoded
    chosen, rejected = encoded.chosen_ids[:room], encoded.rejected_ids[:room]
    return replace(encoded, chosen_ids=chosen, rejected_ids=rejected, truncated=True)


def _token_ids(pair: PreferencePair, tokenizer: Any) -> tuple[list[int], list[int], list[int]]:
    """Ids of prompt, prompt + chosen, prompt + rejected."""
    if isinstance(pair.prompt, str):
        texts = [pair.prompt, *(pair.prompt + _ended(side, tokenizer) for side in (pair.chosen, pair.rejected))]
        prompt, chosen, rejected = (list(tokenizer(text)["input_ids"]) for text in texts)
        return prompt, chosen, rejected
    if tokenizer.chat_template is None:
        raise DataError(f"{pair.where}: messages need a chat template, and this model's tokenizer has none")
    prompt = _render(pair.prompt, tokenizer, pair, add_generation_prompt=True)
    chosen, rejected = (_render((*pair.prompt, *side), tokenizer, pair) for side in (pair.chosen, pair.rejected))
    return prompt, chosen, rejected


def _ended(text: Text, tokenizer: Any) -> str:
    assert isinstance(text, str)
    end: str = tokenizer.eos_token or ""
    return text if text.endswith(end) else text + end


def _render(
    messages: Sequence[Message | str], tokenizer: Any, pair: PreferencePair, *, add_generation_prompt: bool = False
) -> list[int]:
    from jinja2 import TemplateError

    conversation = [asdict(message) for message in messages if isinstance(message, Message)]
    try:
        rendered = tokenizer.apply_chat_template(
            conversation, tokenize=True, return_dict=True, add_generation_prompt=add_generation_prompt
        )
    except TemplateError as error:
        raise DataError(f"{pair.where}: the model's chat template refuses these messages ({error})") from None
    return list(rendered["input_ids"])


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(one, other, strict=False)))


def _check(encoded: EncodedPair, pair: PreferencePair) -> None:
    if not encoded.prompt_ids:
        raise DataError(f"{pair.where}: no token of the prompt stands before the responses; lengthen the prompt")
    if not encoded.chosen_ids or not encoded.rejected_ids or encoded.chosen_ids == encoded.rejected_ids:
        raise DataError(
            f"{pair.where}: 'chosen' and 'rejected' are empty or the same after tokenisation; "
            "does the chat template drop them?"
        )
