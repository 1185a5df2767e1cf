"""What a Detector is, and what it returns."""

from dataclasses import dataclass
from typing import Literal, Protocol

from .text import Analysis

Severity = Literal["mild", "severe"]


@dataclass(frozen=True)
class Finding:
    """What one Detector saw in one Completion."""

    detector: str
    score: float
    """What was measured, in the unit of `threshold`; the reason names it."""
    span: tuple[int, int]
    """The evidence: character offsets into the Completion's text, end exclusive; empty for an empty text."""
    reason: str
    """One clause for the report, e.g. "praises the user: 'what a thoughtful thing to ask'"."""
    kind: str = ""
    """Which of the Detector's checks it was, e.g. "over_refusal" or "loop"."""
    threshold: float = 1.0
    """Scores from here on are reported."""
    severity: Severity = "mild"
    """severe: the evidence is at least half of the text, or the score three times its threshold."""


class Detector(Protocol):
    """A check on one Completion in the light of its Prompt: deterministic, linear in the text, never raising."""

    @property
    def name(self) -> str:
        """The metric is `pathology.<name>`."""
        ...

    def check(self, analysis: Analysis) -> Finding | None:
        """The Finding, or None for a healthy Completion."""
        ...


def finding(
    detector: str,
    kind: str,
    analysis: Analysis,
    span: tuple[int, int],
    reason: str,
    *,
    score: float = 1.0,
    threshold: float = 1.0,
) -> Finding:
    """A Finding whose severity follows from its span and score."""
    covered = span[1] - span[0] >= 0.5 * len(analysis.text.strip())
    severity: Severity = "severe" if covered or score >= 3 * threshold else "mild"
    return Finding(detector, score, span, reason, kind, threshold, severity)
