"""Confidence intervals of shares and differences, two-sided, from counts or small arrays."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .clusters import Clusters, covariance_of_means, deviations, effective_items

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """Two bounds, the name of the method that gave them, and what it rests on."""

    low: float
    high: float
    method: str
    effective_n: float
    """Independent items that tell as much; those there are without clusters."""
    df: float | None = None
    """Degrees of freedom of Student's t; None for the normal's z."""


def normal_quantile(level: float) -> float:
    """z with probability `level` between -z and z. Raises ValueError for a level outside (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1 (e.g. 0.95), got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def quantile(level: float, df: float | None) -> float:
    """t with probability `level` between -t and t, at `df` degrees of freedom; the normal's where they are None."""
    from scipy.special import stdtrit

    z = normal_quantile(level)
    return z if df is None else float(stdtrit(df, (1 + level) / 2))


def tango_interval(lost: float, won: float, n: float, *, level: float = 0.95, df: float | None = None) -> Bounds:
    """Score interval of a difference of paired proportions, (won - lost) / n in the middle.

    `lost` items went from 1 to 0, `won` from 0 to 1, of `n` pairs. The bounds are the differences that a
    score test would just not reject: Tango 1998, Statistics in Medicine 17:891-908. They stay within [-1, 1]
    and keep their width without any discordant pair: plus and minus z²/(n + z²). With clusters all three are
    counted in effective items, and `df` gives Student's t in place of z.
    """
    z = quantile(level, df)
    value = (won - lost) / n

    def above(bound: float) -> Callable[[float], bool]:
        return lambda difference: tango_score(lost, won, n, difference) > bound

    # The statistic falls as the hypothesised difference grows.
    return last_true(above(z), -1.0, value), last_true(above(-z), value, 1.0)


def tango_score(lost: float, won: float, n: float, difference: float) -> float:
    """Tango's statistic, standard normal where the true difference is `difference`."""
    q = likeliest_lost(lost, won, n, difference)
    distance = won - lost - n * difference
    variance = n * (2 * q + difference * (1 - difference))
    if variance > 0:
        return distance / math.sqrt(variance)
    return math.copysign(math.inf, distance) if distance else 0.0


def likeliest_lost(lost: float, won: float, n: float, difference: float) -> float:
    """The likeliest probability of "lost" if the true difference is `difference`: the root of a q² + b q + c."""
    a = 2 * n
    b = (a - won + lost) * difference - won - lost
    c = -lost * difference * (1 - difference)
    root = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    return max(root, 0.0, -difference)  # rounding aside; "won" has the probability q + difference


def discordant_pairs(n: int, discordance: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers of discordant pairs out of n, all but those of probability 1e-15 in sum, and their probabilities."""
    from scipy.special import bdtr

    reach = 9 * math.sqrt(n * discordance * (1 - discordance)) + 20
    pairs = np.arange(max(0, int(n * discordance - reach)), min(n, int(n * discordance + reach)) + 1)
    fewer = bdtr(pairs[0] - 1, n, discordance) if pairs[0] else 0.0
    return pairs, np.diff(bdtr(pairs, n, discordance), prepend=fewer)


def last_true(condition: Callable[[float], bool], low: float, high: float) -> float:
    """Where a condition that holds from `low` on stops to hold, by bisection to the last bit."""
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        if condition(middle):
            low = middle
        else:
            high = middle


def wilson_interval(mean: float, n: float, *, level: float = 0.95, df: float | None = None) -> Bounds:
    """Score interval of a mean of values in [0, 1]; Wilson 1927, JASA 22:209-212.

    It inverts |mean - p| <= z sqrt(p (1 - p) / n). Among values in [0, 1] with mean p, zeros and ones have
    the largest variance, p (1 - p); with ties as 0.5 it is smaller, and the interval conservative. With clusters
    `n` counts effective items, and `df` gives Student's t in place of z.
    """
    z = quantile(level, df)
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(mean * (1 - mean) / n + (z / (2 * n)) ** 2) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def exact_interval(mean: float, n: float, *, level: float = 0.95) -> Bounds:
    """Exact interval of a share: Clopper and Pearson 1934, Biometrika 26:404-413.

    Never too short, whatever the share, hence the one for absolute bounds on rare events: with 0 of n,
    the upper bound is 1 - ((1 - level) / 2)^(1/n), below 1 % from n = 368 on.
    """
    from scipy.special import betaincinv

    normal_quantile(level)
    tail, hits = (1 - level) / 2, mean * n
    low = 0.0 if hits <= 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits >= n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def t_interval(
    differences: NDArray[np.float64], *, clusters: Clusters | None = None, span: float = 1.0, level: float = 0.95
) -> Interval:
    """Interval of the mean of differences: Student's t, at one degree of freedom less than items or clusters.

    With clusters the standard error is the cluster-robust one: see `covariance_of_means`. Without any spread
    between the units (all equal, or one item) t would claim a width of zero. Then `span`, the largest size that a
    difference can have, bounds what was not seen: up to a share z²/(n + z²) of the items (of the clusters) may
    differ by it. Tango's interval allows the same share, so both methods agree on an unchanged model.
    """
    units, mean = deviations(differences, clusters), float(differences.mean())
    weights = 1 if clusters is None else clusters.sizes
    if (np.abs(units) <= 1e-12 * span * weights).all():
        n = differences.size if clusters is None else clusters.least_effective_n
        unseen = unseen_share(level, n)
        return Interval(mean - unseen * (span + mean), mean + unseen * (span - mean), "bounded", n)
    df = units.size - 1
    half = quantile(level, df) * math.sqrt(covariance_of_means(units, units, differences.size))
    return Interval(mean - half, mean + half, "t", effective_items(differences, clusters), df)


def unseen_share(level: float, n: float) -> float:
    """The largest share of items that may differ where none of n did: z²/(n + z²)."""
    z = normal_quantile(level)
    return z * z / (n + z * z)


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p-value of no difference: among discordant pairs, lost and won are equally likely."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(lost, won), lost + won, 0.5)))
