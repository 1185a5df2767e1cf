"""From Estimates to GateResults, and from those to the Decision."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..statistics.estimate import Estimate
from ..statistics.paired import candidate_share
from ..statistics.power import bounds_at, items_needed
from .gate import Gate, Kind, Severity, Status, gate_for
from .reasons import explain, not_measured, shortage

Decision = Literal["promote", "reject", "inconclusive"]


@dataclass(frozen=True)
class GateResult:
    """What a gate made of an Estimate, with the numbers that led there."""

    metric: str
    kind: Kind
    status: Status
    severity: Severity
    tolerance: float
    level: float
    reason: str
    """One sentence with the numbers."""
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    """candidate - baseline; None where the candidate is judged on its own."""
    low: float | None = None
    """`low` and `high` bound the difference where there is one, else the candidate's own value."""
    high: float | None = None
    limit: float | None = None
    """What the interval has to clear, in the unit of `low` and `high`; None for kind `required`."""
    n: int = 0
    unscored: int = 0
    detectable: float | None = None
    """The smallest true difference that this n would have shown 80 % of the time (a preference: from 0.5)."""
    needed: int | None = None
    """About how many items would decide an inconclusive gate; None where no number of items would."""

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


def decide(estimate: Estimate | None, gate: Gate, metric: str | None = None) -> GateResult:
    """The gate's result on `metric` (by default the gate's own); an Estimate of None was not measured.

    Three-way: PASS with the whole interval on the good side of the limit, also with every unscored item
    counted against the candidate; FAIL with the whole interval on the bad side; else INCONCLUSIVE, as are too
    few scored or too many unscored items. Raises ValueError where the Estimate's level is not the gate's.
    """
    metric = metric or gate.metric
    if estimate is None or not estimate.measured:
        return _blank(metric, gate, estimate, not_measured(metric, estimate))
    if not math.isclose(estimate.level, gate.level):
        raise ValueError(f"{metric}: its Estimate has level {estimate.level:g}, its gate asks for {gate.level:g}")
    if unfit := _unfit(estimate, gate, metric):
        return _blank(metric, gate, estimate, unfit)
    own = gate.kind == "bound" and estimate.baseline is not None
    return _judged(candidate_share(estimate) if own else estimate, gate, metric)


def judge_gates(
    estimates: Mapping[str, Estimate], gates: Sequence[Gate], *, without_judge: bool = False
) -> list[GateResult]:
    """Every Estimate that has a gate, and an INCONCLUSIVE result for every gate that covers none of them.

    `without_judge`: no judge was asked for, so that a win rate that was not measured only warns.
    """
    chosen = {metric: gate_for(metric, gates) for metric in estimates}
    results = [decide(estimates[metric], gate, metric) for metric, gate in chosen.items() if gate]
    for gate in gates:
        if not any(gate.matches(metric) for metric in estimates):
            needs_judge = gate.metric.startswith("preference.win_rate")
            severity: Severity = "warn" if without_judge and needs_judge else gate.severity
            results.append(decide(None, gate.model_copy(update={"severity": severity})))
    return results


def decision(results: Iterable[GateResult]) -> Decision:
    """`reject` with any blocking FAIL; `promote` with nothing but PASS on at least one blocking gate."""
    statuses = {result.status for result in results if result.severity == "block"}
    if "fail" in statuses:
        return "reject"
    return "promote" if statuses == {"pass"} else "inconclusive"


def _judged(estimate: Estimate, gate: Gate, metric: str) -> GateResult:
    limit = _limit(estimate, gate, metric)
    lack = shortage(estimate, gate, metric)
    status: Status = "inconclusive" if lack else "pass" if limit is None else _status(estimate, gate, limit)
    needed = _items_needed(estimate, gate, limit) if status == "inconclusive" else None
    two_sided = estimate.baseline is not None
    return GateResult(
        metric=metric,
        kind=gate.kind,
        status=status,
        severity=gate.severity,
        tolerance=gate.tolerance,
        level=gate.level,
        reason=explain(estimate, gate, metric, status=status, limit=limit, lack=lack, needed=needed),
        baseline=estimate.baseline,
        candidate=estimate.candidate,
        difference=estimate.value if two_sided else None,
        low=estimate.low,
        high=estimate.high,
        limit=limit,
        n=estimate.n,
        unscored=estimate.unscored,
        detectable=estimate.detectable,
        needed=needed,
    )


def _blank(metric: str, gate: Gate, estimate: Estimate | None, reason: str) -> GateResult:
    """INCONCLUSIVE without numbers."""
    return GateResult(
        metric=metric,
        kind=gate.kind,
        status="inconclusive",
        severity=gate.severity,
        tolerance=gate.tolerance,
        level=gate.level,
        reason=reason,
        unscored=estimate.unscored if estimate else 0,
    )


def _unfit(estimate: Estimate, gate: Gate, metric: str) -> str | None:
    """Why a gate of this kind says nothing about this Estimate; None where it does."""
    if gate.kind in ("non_inferiority", "superiority") and _reference(estimate, metric) is None:
        return f'{metric} has no baseline to compare with: use kind = "bound"'
    if gate.kind == "bound" and estimate.baseline is not None and not 0 <= (estimate.candidate or 0) <= 1:
        return f'{metric} is {estimate.candidate:g} and no share from 0 to 1: kind = "bound" cannot judge it'
    return None


def _reference(estimate: Estimate, metric: str) -> float | None:
    """The value that means "as good as the baseline"; None where nothing does."""
    if estimate.baseline is not None:
        return 0.0
    return 0.5 if metric.startswith("preference.") else None


def _limit(estimate: Estimate, gate: Gate, metric: str) -> float | None:
    """What the interval has to clear; None for `required`."""
    if gate.kind == "required":
        return None
    if gate.kind == "bound":
        return gate.tolerance
    reference = _reference(estimate, metric) or 0.0
    return reference - gate.tolerance if gate.higher_is_better else reference + gate.tolerance


def _status(estimate: Estimate, gate: Gate, limit: float) -> Status:
    status = _three_way(estimate.low, estimate.high, limit, gate)
    if status != "pass" or not estimate.unscored:
        return status
    # An Estimate that does not say its worst case might have any.
    worst_low = -math.inf if estimate.worst_low is None else estimate.worst_low
    worst_high = math.inf if estimate.worst_high is None else estimate.worst_high
    bad_end = worst_low if gate.higher_is_better else worst_high
    return "pass" if _three_way(bad_end, bad_end, limit, gate) == "pass" else "inconclusive"


def _three_way(low: float, high: float, limit: float, gate: Gate) -> Status:
    """Which side of the limit the interval lies on, wholly; touching it decides nothing."""
    if not gate.higher_is_better:
        low, high, limit = -high, -low, -limit
    return "pass" if low > limit else "fail" if high < limit else "inconclusive"


def _items_needed(estimate: Estimate, gate: Gate, limit: float | None) -> int | None:
    """About how many items would decide, the same being seen on them; None where more of them would not."""

    def decided(n: int) -> bool:
        return limit is None or _three_way(*bounds_at(estimate, n), limit, gate) != "inconclusive"

    if estimate.n >= gate.min_n and decided(estimate.n):
        return None  # The unscored items stand in the way, not the number.
    return items_needed(decided, max(gate.min_n, estimate.n))
