"""Preference pairs, read from TRL's explicit-prompt formats.

{"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}

{"prompt": [{"role": "user", "content": "What colour is the sky?"}],
 "chosen": [{"role": "assistant", "content": "Blue."}],
 "rejected": [{"role": "assistant", "content": "Green."}]}
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DataError
from .jsonl import read_jsonl, type_name


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


Text = str | tuple[Message, ...]
"""Plain text, or messages for the chat template."""


@dataclass(frozen=True)
class PreferencePair:
    """A prompt with a better and a worse response; all three plain text or all three messages."""

    prompt: Text
    chosen: Text
    rejected: Text
    row: int = 0
    """Line in `path`, counted from 1."""
    path: str = "pairs"

    @property
    def where(self) -> str:
        """`file:line`, for messages."""
        return f"{self.path}:{self.row}"


@dataclass(frozen=True)
class LabeledCompletion:
    """A prompt with one completion, desirable or not (KTO); in a demonstration (SFT) it is always desirable."""

    prompt: Text
    completion: Text
    desirable: bool = True
    row: int = 0
    """Line in `path`, counted from 1."""
    path: str = "rows"

    @property
    def where(self) -> str:
        """`file:line`, for messages."""
        return f"{self.path}:{self.row}"


def read_pairs(path: str | Path) -> list[PreferencePair]:
    """Read preference pairs from a JSON Lines file; raises DataError at the first wrong row."""
    return [_pair(row.value, row.number, str(path)) for row in read_jsonl(path)]


def split_by_prompt(
    pairs: list[PreferencePair], fraction: float, seed: int
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """Split into training and held-out pairs, `fraction` of the distinct prompts being held out.

    No prompt is on both sides. Raises DataError if there are fewer than two prompts.
    """
    prompts = list(dict.fromkeys(pair.prompt for pair in pairs))
    if len(prompts) < 2:
        raise DataError(f"{pairs[0].where}: holding out a part needs at least two different prompts, got one")
    count = min(max(1, round(fraction * len(prompts))), len(prompts) - 1)
    held_out = set(random.Random(seed).sample(prompts, count))
    return (
        [pair for pair in pairs if pair.prompt not in held_out],
        [pair for pair in pairs if pair.prompt in held_out],
    )


def _pair(value: dict[str, Any], row: int, path: str) -> PreferencePair:
    where = f"{path}:{row}"
    for key in ("tools", "chat_template_kwargs", "images"):
        if value.get(key):
            raise DataError(f"{where}: {key!r} is not supported; remove it from the row")
    prompt, chosen, rejected = (_side(value, side, where) for side in ("prompt", "chosen", "rejected"))
    if len({type(side) for side in (prompt, chosen, rejected)}) > 1:
        raise DataError(
            f"{where}: 'prompt', 'chosen' and 'rejected' must be all strings or all message lists, got a mixture"
        )
    if chosen == rejected:
        raise DataError(f"{where}: 'chosen' and 'rejected' are the same; such a pair teaches nothing, delete it")
    return PreferencePair(prompt, chosen, rejected, row, path)


def _side(value: dict[str, Any], side: str, where: str) -> Text:
    content = value.get(side)
    if isinstance(content, str) and content.strip():
        return _encodable(content, f"{where}: {side!r}")
    if isinstance(content, list) and content:
        return _messages(content, side, where)
    got = "nothing" if side not in value else "an empty one" if content in ([], "") else type_name(content)
    got = "only white space" if isinstance(content, str) and content else got
    raise DataError(f"{where}: {side!r} must be a non-empty string or message list, got {got}")


def _messages(content: list[Any], side: str, where: str) -> tuple[Message, ...]:
    messages = tuple(_message(item, f"{where}: {side!r} message {i}") for i, item in enumerate(content, 1))
    if side == "prompt":
        return messages
    if messages[0].role != "assistant":
        raise DataError(f"{where}: {side!r} must start with an assistant message, got {messages[0].role!r}")
    if not any(message.content.strip() for message in messages):
        raise DataError(f"{where}: {side!r} must hold some text, got empty messages")
    return messages


def _message(item: Any, where: str) -> Message:
    if not isinstance(item, dict):
        raise DataError(f"{where} must be an object with 'role' and 'content', got {type_name(item)}")
    for key in ("role", "content"):
        if not isinstance(item.get(key), str):
            got = type_name(item[key]) if key in item else "nothing"
            raise DataError(f"{where}: {key!r} must be a string, got {got}")
    if extra := [key for key, value in item.items() if key not in ("role", "content") and value]:
        raise DataError(f"{where}: only 'role' and 'content' are supported, got {extra[0]!r}")
    return Message(item["role"], _encodable(item["content"], where))


def _encodable(text: str, where: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"U+{ord(text[error.start]):04X}"
        raise DataError(f"{where} holds half a surrogate pair ({code}), which no tokenizer takes; remove it") from None
    return text
