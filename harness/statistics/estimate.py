"""The Estimate: a value with its error bar."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value, its two-sided confidence interval, and how it was computed.

    With two sides, `value` is the mean of candidate - baseline over the items both sides have;
    with one (`baseline` is None), it is the candidate's own mean. Rates are shares in [0, 1].
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    """Scored items."""
    method: str
    """"tango", "t", "wilson", …; the interval's name in the field."""
    baseline: float | None = None
    candidate: float | None = None
    unscored: int = 0
    """Items that failed to get a score; they are in neither `value` nor `n`."""
    worst_low: float | None = None
    """`low` with every unscored item counted against the candidate, higher being better; None without any."""
    worst_high: float | None = None
    """`high` with every unscored item counted against the candidate, lower being better; None without any."""
    detectable: float | None = None
    """The smallest true difference that this n would have shown 80 % of the time; in the value's unit."""
    note: str = ""
    """Why there is no number, where there is none (e.g. "judge not admitted: accuracy 0.50 < 0.70")."""
