"""What a Detector is, and what it returns."""

from dataclasses import dataclass
from typing import Protocol

from ..items import Completion, Prompt


@dataclass(frozen=True)
class Finding:
    """What one Detector saw in one Completion."""

    detector: str
    score: float
    """Strength of the evidence; a Detector reports from 1 on."""
    span: tuple[int, int]
    """The evidence: character offsets into the Completion's text, end exclusive; empty for an empty text."""
    reason: str
    """One clause for the report, e.g. "praises the user: 'what a thoughtful thing to ask'"."""


class Detector(Protocol):
    """A check on one Completion in the light of its Prompt: deterministic, linear in the text, never raising."""

    @property
    def name(self) -> str:
        """The metric is `pathology.<name>`."""
        ...

    def check(self, prompt: Prompt, completion: Completion) -> Finding | None:
        """The Finding, or None for a healthy Completion."""
        ...
