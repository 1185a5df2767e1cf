"""A judge is measured on pairs with known answers before its verdicts count."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from .errors import JudgeDataError
from .orders import play_both_orders
from .verdicts import Judge, Label, PairOutcome, Progress, Question, Verdict


@dataclass(frozen=True)
class AuditThresholds:
    """What a judge must reach to be admitted; shares in [0, 1]."""

    accuracy: float = 0.70
    agreement: float = 0.75
    unscored: float = 0.05
    """The largest share of pairs without a score in both orders."""


@dataclass(frozen=True)
class Figures:
    """What a judge did with some labelled pairs. Shares are in [0, 1], None where nothing was scored."""

    n: int
    """Pairs, each played in both orders."""
    win_rate: float | None
    """Mean score of response a over the pairs scored in both orders."""
    agreement: float | None
    """Share of the pairs scored in both orders whose two verdicts name the same side (or both a tie)."""
    first_share: float | None
    """Share of the calls that chose a side which chose the one shown first."""
    flips_first: int
    """Pairs where both orders chose the answer shown first."""
    flips_second: int
    """Pairs where both orders chose the answer shown second."""
    unscored: int
    """Pairs without a score in both orders."""
    accuracy: float
    """Share of all calls with the right side; an unscored call counts as wrong."""
    accuracy_scored: float | None
    """Share of the scored calls with the right side."""


@dataclass(frozen=True)
class Audit:
    """A judge's figures on labelled pairs, and whether they admit it."""

    judge: str
    overall: Figures
    groups: Mapping[str, Figures]
    reasons: tuple[str, ...]
    """Why it is not admitted; empty if it is."""

    @property
    def admitted(self) -> bool:
        """True if the judge's win rate may gate."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """The audit with the names that scripts rely on (`harness judge audit --json`)."""
        return {
            "judge": self.judge,
            "groups": {group: asdict(figures) for group, figures in self.groups.items()},
            "overall": asdict(self.overall),
            "admitted": self.admitted,
            "reasons": list(self.reasons),
        }


def audit(
    judge: Judge,
    gold_pairs: Sequence[Question],
    thresholds: AuditThresholds = AuditThresholds(),
    *,
    progress: Progress | None = None,
) -> Audit:
    """Plays `gold_pairs` in both orders and holds the judge's figures against `thresholds`.

    Raises JudgeDataError where a pair has no label, or there is no pair.
    """
    labels = _labels(gold_pairs)
    outcomes = play_both_orders(judge, gold_pairs, progress=progress)
    overall = figures(outcomes, labels)
    names = sorted({pair.group for pair in gold_pairs})
    groups = {
        name: figures([o for o, pair in zip(outcomes, gold_pairs, strict=True) if pair.group == name], labels)
        for name in names
    }
    reasons = _refusals(overall, thresholds, _commonest_failure(outcomes))
    return Audit(judge.name, overall, MappingProxyType(groups), reasons)


def figures(outcomes: Sequence[PairOutcome], labels: Mapping[str, Label]) -> Figures:
    """The figures of `outcomes`; `labels` gives the right side by question id. Needs at least one outcome."""
    scored = [outcome for outcome in outcomes if outcome.result != "unscored"]
    calls = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    sided = [verdict for verdict in calls if verdict.asked and verdict.outcome in ("first", "second")]
    right = sum(verdict.choice == labels[verdict.question_id] for verdict in calls)
    answered = sum(verdict.outcome != "unscored" for verdict in calls)
    return Figures(
        n=len(outcomes),
        win_rate=_share(math.fsum(outcome.score or 0.0 for outcome in scored), len(scored)),
        agreement=_share(sum(outcome.result != "split" for outcome in scored), len(scored)),
        first_share=_share(sum(verdict.outcome == "first" for verdict in sided), len(sided)),
        flips_first=sum(outcome.ab.outcome == outcome.ba.outcome == "first" for outcome in outcomes),
        flips_second=sum(outcome.ab.outcome == outcome.ba.outcome == "second" for outcome in outcomes),
        unscored=len(outcomes) - len(scored),
        accuracy=right / len(calls),
        accuracy_scored=_share(right, answered),
    )


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _labels(gold_pairs: Sequence[Question]) -> dict[str, Label]:
    if not gold_pairs:
        raise JudgeDataError("an audit needs labelled pairs, got none")
    labels: dict[str, Label] = {}
    for pair in gold_pairs:
        if pair.label is None:
            raise JudgeDataError(f"an audit needs labelled pairs, got {pair.id!r} without a label")
        labels[pair.id] = pair.label
    return labels


def _commonest_failure(outcomes: Sequence[PairOutcome]) -> str:
    verdicts: list[Verdict] = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    reasons = Counter(verdict.reason for verdict in verdicts if verdict.outcome == "unscored")
    return reasons.most_common(1)[0][0] if reasons else ""


def _refusals(found: Figures, thresholds: AuditThresholds, failure: str) -> tuple[str, ...]:
    reasons = []
    if found.accuracy < thresholds.accuracy:
        reasons.append(f"accuracy {_below(found.accuracy)} < {thresholds.accuracy:.2f} on {found.n} labelled pairs")
    if found.agreement is not None and found.agreement < thresholds.agreement:
        numbers = f"{_below(found.agreement)} < {thresholds.agreement:.2f}"
        reasons.append(f"agreement between orders {numbers}: {_position(found)}")
    if found.unscored > thresholds.unscored * found.n:
        numbers = f"{found.unscored} of {found.n} pairs > {thresholds.unscored * 100:.0f} %"
        reasons.append(f"unscored {numbers}, mostly because: {failure}")
    return tuple(reasons)


def _below(share: float) -> str:
    # Cut, not rounded: 0.699 must not read "0.70 < 0.70".
    return f"{math.floor(share * 100) / 100:.2f}"


def _position(found: Figures) -> str:
    share = found.first_share
    if share is None or 0.35 < share < 0.65:
        return "its verdict turns when the answers change places"
    side, part = ("first", share) if share > 0.5 else ("second", 1 - share)
    picks = f"it picks the {side} answer in {part * 100:.0f} % of calls"
    return f"{picks}, whatever stands there" if part >= 0.9 else picks
