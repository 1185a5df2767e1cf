"""Labelled pairs: the shipped gold pairs, with an obvious right answer, and a user's own."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from .errors import JudgeDataError
from .verdicts import Label, Question, Turn, conversation

GOLD_PAIRS = Path(__file__).parent / "data" / "gold_pairs.jsonl"
CANARIES = Path(__file__).parent / "data" / "canaries.jsonl"
LABELS: dict[str, Label] = {"a": "a", "A": "a", "b": "b", "B": "b", "tie": "tie"}
ROLES = ("system", "user", "assistant")


def load_gold_pairs(path: str | Path | None = None) -> tuple[Question, ...]:
    """Labelled pairs from JSONL: `id, prompt, response_a, response_b, label` and, if wanted, `group` and `votes`.

    `prompt` is text or chat messages; a label may be upper case; `votes` are labels by annotator, a list or an
    object, null where one did not vote; other keys are ignored. Without `path`: 110 own-written pairs with an obvious
    right answer in the groups natural and adversarial (there the worse answer is longer, surer of itself, better
    formatted, or answers a neighbouring question). Raises JudgeDataError with file and line.
    """
    path = Path(path or GOLD_PAIRS)
    first_seen: dict[str, int] = {}
    questions = []
    for number, row in json_rows(path):
        question = _question(row, f"{path}:{number}")
        if question.id in first_seen:
            again = f"{question.id!r} again (first on line {first_seen[question.id]})"
            raise JudgeDataError(f"{path}:{number}: 'id' must be unique, got {again}")
        first_seen[question.id] = number
        questions.append(question)
    if not questions:
        raise JudgeDataError(f"{path}: expected at least one labelled pair, got none")
    return tuple(questions)


def load_canaries() -> tuple[Question, ...]:
    """Own-written texts that must not win (response a) against ordinary good answers (response b).

    By group: a null model's constant text that addresses the judge, master keys such as ":", injections.
    """
    return load_gold_pairs(CANARIES)


def json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """The rows of a JSONL file with their line numbers. Raises JudgeDataError with file and line."""
    # Split on "\n" alone: str.splitlines would cut a row at U+2028.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line, object_pairs_hook=_distinct_keys, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            detail = "nested too deeply" if isinstance(error, RecursionError) else error
            raise JudgeDataError(f"{path}:{number}: not a JSON object on one line: {detail}") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JudgeDataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JudgeDataError(f"{path}:{line}: not UTF-8 text ({error.reason}); expected JSONL") from error


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return row


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _question(row: Any, where: str) -> Question:
    if not isinstance(row, dict):
        raise JudgeDataError(f"{where}: expected an object with id, prompt, response_a, response_b, label")
    return Question(
        id=_string(row, "id", where),
        conversation=_turns(row.get("prompt"), where),
        response_a=_string(row, "response_a", where, empty=True),
        response_b=_string(row, "response_b", where, empty=True),
        label=read_label(row, "label", where),
        group=_string(row, "group", where, empty=True) if "group" in row else "",
        votes=_votes(row, where),
    )


def read_label(row: Mapping[str, Any], key: str, where: str) -> Label:
    """A label, in either case. Raises JudgeDataError."""
    label = row.get(key)
    if not isinstance(label, str) or label not in LABELS:
        raise JudgeDataError(f"{where}: '{key}' must be a, b or tie, got {shown(label)}")
    return LABELS[label]


def _votes(row: Mapping[str, Any], where: str) -> tuple[tuple[str, Label], ...]:
    votes = row.get("votes") or {}
    by_name = {str(number): vote for number, vote in enumerate(votes, 1)} if isinstance(votes, list) else votes
    known = (*LABELS, None)
    if not isinstance(by_name, dict) or not all(isinstance(v, str | None) and v in known for v in by_name.values()):
        kind = "a list of a, b, tie or null, or an object with one for each annotator"
        raise JudgeDataError(f"{where}: 'votes' must be {kind}, got {shown(votes)}")
    return tuple((name, LABELS[vote]) for name, vote in by_name.items() if vote is not None)


def _string(row: dict[str, Any], key: str, where: str, *, empty: bool = False) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not (value or empty):
        kind = "a string" if empty else "a non-empty string"
        raise JudgeDataError(f"{where}: '{key}' must be {kind}, got {shown(value)}")
    return value


def _turns(prompt: Any, where: str) -> tuple[Turn, ...]:
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    if not (isinstance(messages, list) and messages and all(map(_is_message, messages))):
        kind = "a non-empty string or a list of messages (role, content)"
        raise JudgeDataError(f"{where}: 'prompt' must be {kind}, got {shown(prompt)}")
    return conversation(messages)


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("role") in ROLES
        and isinstance(value.get("content"), str)
        and bool(value["content"].strip())
    )


def shown(value: Any) -> str:
    """A value in a message: its JSON, cut short."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
