"""Tokenisation of preference pairs, token for token as TRL 1.16's DPOTrainer does it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any

from .data import Message, PreferencePair, Text
from .errors import DataError


@dataclass(frozen=True)
class EncodedRow:
    """Token ids of a row of data: a prompt and the responses that share it.

    A model scores the sequences prompt + response, one for each response: chosen and rejected of a pair
    (in this order), or a single completion.
    """

    prompt_ids: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]
    truncated: bool = False
    """A response lost its tail, and with it its end of sequence."""
    desirable: bool | None = None
    """Of a labelled completion; None for pairs."""

    @property
    def tokens(self) -> int:
        """Tokens where the prompt is shared."""
        return len(self.prompt_ids) + sum(map(len, self.responses))

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return len(self.prompt_ids) + max(map(len, self.responses))


@dataclass(frozen=True)
class EncodedRows:
    """The rows that fit into `max_length`, in order, and what became of the others."""

    rows: tuple[EncodedRow, ...]
    dropped: int
    truncated: int


def encode_pairs(pairs: Sequence[PreferencePair], tokenizer: Any, max_length: int | None) -> EncodedRows:
    """Encode each pair as `encode_pair` does, and count the dropped and the truncated ones."""
    encoded = [encode_pair(pair, tokenizer, max_length) for pair in pairs]
    kept = tuple(row for row in encoded if row is not None)
    return EncodedRows(kept, len(pairs) - len(kept), sum(row.truncated for row in kept))


def encode_pair(pair: PreferencePair, tokenizer: Any, max_length: int | None = None) -> EncodedRow | None:
    """Encode a pair; None if the prompt alone fills `max_length`, which would leave no response token.

    Prompt and response are tokenised jointly, since tokens may merge across their border: the responses
    begin where either joint sequence leaves the tokenised prompt. Conversations are rendered by the chat
    template (the prompt with its generation prompt) and end as it ends them. Plain text gets the end of
    sequence appended, unless it ends with it. A longer sequence than `max_length` loses its tail.
    """
    prompt, chosen, rejected = _token_ids(pair, tokenizer)
    border = min(_common_prefix(prompt, chosen), _common_prefix(prompt, rejected))
    encoded = EncodedRow(tuple(prompt[:border]), (tuple(chosen[border:]), tuple(rejected[border:])))
    _check(encoded, pair)
    return encoded if max_length is None else _fit(encoded, max_length)


def _fit(encoded: EncodedRow, max_length: int) -> EncodedRow | None:
    room = max_length - len(encoded.prompt_ids)
    if room <= 0:
        return None
    if encoded.longest <= max_length:
        return encoded
    return replace(encoded, responses=tuple(ids[:room] for ids in encoded.responses), truncated=True)


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


def _check(encoded: EncodedRow, pair: PreferencePair) -> None:
    if not encoded.prompt_ids:
        raise DataError(f"{pair.where}: no token of the prompt stands before the responses; lengthen the prompt")
    chosen, rejected = encoded.responses
    if not chosen or not rejected or chosen == rejected:
        raise DataError(
            f"{pair.where}: 'chosen' and 'rejected' are empty or the same after tokenisation; "
            "does the chat template drop them?"
        )
