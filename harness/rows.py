"""The rows of a Run's JSONL files."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from .answers import Answers
from .items import Prompt, chat
from .judges import PairOutcome
from .preferences import PairScore

Row = dict[str, Any]


def completion_rows(answers: Answers) -> list[Row]:
    """completions.jsonl: both sides' answers with their prompts."""
    return [
        {"side": side, "category": prompt.category, "messages": chat(prompt.messages)} | asdict(completion)
        for side, completions in answers.completions.items()
        for prompt, completion in zip(answers.prompts, completions, strict=True)
    ]


def finding_rows(answers: Answers) -> list[Row]:
    """findings.jsonl: what the detectors saw, with its span."""
    return [
        {"side": side, "prompt_id": prompt.id, "prompt_hash": prompt.content_hash, **asdict(finding)}
        for side, lists in answers.findings.items()
        for prompt, found in zip(answers.prompts, lists, strict=True)
        for finding in found
    ]


def verdict_rows(prompts: Iterable[Prompt], outcomes: Sequence[PairOutcome]) -> list[Row]:
    """verdicts.jsonl: one row per call."""
    ids = {prompt.content_hash: prompt.id for prompt in prompts}
    return [
        verdict.to_row() | {"prompt_id": ids[verdict.question_id], "prompt_hash": verdict.question_id}
        for outcome in outcomes
        for verdict in outcome.verdicts
    ]


def pair_rows(scores: Sequence[PairScore]) -> list[Row]:
    """pairs.jsonl: held-out pairs with both gains."""
    gains = ("chosen_gain", "rejected_gain", "score")
    return [asdict(scored.pair) | {name: getattr(scored, name) for name in gains} for scored in scores]
