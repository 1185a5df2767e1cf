"""Both sides' answers to each prompt, with what the detectors saw."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .folder import Json, RunFolder
from .sections import SIDES, verdict_outcome
from .text import SHOWN_CHARACTERS, Segment, marked

_OPEN = 12
"""Prompts whose answers are unfolded when the page opens."""


@dataclass(frozen=True)
class Answer:
    """One side's answer, cut into marked and plain stretches."""

    segments: tuple[Segment, ...]
    detectors: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    """(detector, reason) of each Finding."""
    tokens: int
    stopped: str
    """Why the answer may be incomplete; empty if it ended by itself."""
    hidden: int
    """Characters left out of the page."""


@dataclass(frozen=True)
class Exchange:
    """A prompt with both sides' answers."""

    prompt_id: str
    category: str
    question: str
    """The last user message."""
    context: tuple[tuple[str, str], ...]
    """(role, text) of the messages before it."""
    answers: tuple[Answer | None, Answer | None]
    """Baseline, candidate; None where the Run has no answer of that side."""
    verdicts: tuple[str, ...]
    open: bool = False

    @property
    def badges(self) -> tuple[tuple[str, str], ...]:
        """(detector, "new" | "gone" | "both"): how the findings differ between the sides."""
        before, after = (set(answer.detectors) if answer else set() for answer in self.answers)
        return tuple(
            (name, "both" if name in before & after else ("new" if name in after else "gone"))
            for name in sorted(before | after)
        )


@dataclass(frozen=True)
class Answers:
    """The exchanges, by how much there is to see."""

    differing: tuple[Exchange, ...]
    """Findings differ between the sides; new ones first."""
    alike: tuple[Exchange, ...]
    """The same findings on both sides."""
    clean: tuple[Exchange, ...]

    @property
    def count(self) -> int:
        return len(self.differing) + len(self.alike) + len(self.clean)


def answers(folder: RunFolder) -> Answers:
    """Completions joined on the prompt's hash, in the order of completions.jsonl within each group."""
    rows: dict[str, dict[str, Json]] = {}
    for row in folder.completions:
        rows.setdefault(row["prompt_hash"], {})[row["side"]] = row
    findings: dict[tuple[str, str], list[Json]] = {}
    for finding in folder.findings:
        findings.setdefault((finding["side"], finding["prompt_hash"]), []).append(finding)
    verdicts: dict[str, list[str]] = {}
    for row in folder.verdicts:
        verdicts.setdefault(row["prompt_hash"], []).append(_verdict(row))
    exchanges = [
        _exchange(sides, [findings.get((side, key), []) for side in SIDES], verdicts.get(key, []))
        for key, sides in rows.items()
    ]
    differing = sorted((e for e in exchanges if any(state != "both" for _, state in e.badges)), key=_novelty)
    return Answers(
        differing=tuple(replace(exchange, open=rank < _OPEN) for rank, exchange in enumerate(differing)),
        alike=tuple(e for e in exchanges if e.badges and all(state == "both" for _, state in e.badges)),
        clean=tuple(e for e in exchanges if not e.badges),
    )


def _exchange(sides: dict[str, Json], findings: Sequence[Sequence[Json]], verdicts: Sequence[str]) -> Exchange:
    row = next(iter(sides.values()))
    messages = [(message["role"], message["content"]) for message in row["messages"]]
    both = [_answer(sides[side], found) if side in sides else None for side, found in zip(SIDES, findings, strict=True)]
    return Exchange(
        prompt_id=str(row["prompt_id"]),
        category=row.get("category") or "",
        question=messages[-1][1] if messages else "",
        context=tuple(messages[:-1]),
        answers=(both[0], both[1]),
        verdicts=tuple(verdicts),
    )


def _answer(row: Json, findings: Sequence[Json]) -> Answer:
    text = row["text"]
    shown = text[:SHOWN_CHARACTERS]
    return Answer(
        segments=tuple(marked(shown, findings)),
        detectors=tuple(dict.fromkeys(finding["detector"] for finding in findings)),
        notes=tuple(dict.fromkeys((finding["detector"], finding.get("reason") or "") for finding in findings)),
        tokens=row["tokens"],
        stopped="cut at the token limit" if row.get("finish_reason") == "length" else "",
        hidden=len(text) - len(shown),
    )


def _verdict(row: Json) -> str:
    # The judge's response a is the candidate; order "ab" shows it first.
    shown = ("candidate", "baseline") if row["order"] == "ab" else ("baseline", "candidate")
    outcome = verdict_outcome(row)
    said = f"chose the {shown[outcome == 'second']}" if outcome in ("first", "second") else outcome
    reason = f" ({row['reason']})" if row.get("reason") else ""
    return f"{shown[0]} shown first: {said}{reason}"


def _novelty(exchange: Exchange) -> tuple[int, int]:
    states = Counter(state for _, state in exchange.badges)
    return (-states["new"], -states["gone"])
