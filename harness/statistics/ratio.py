"""The ratio of two means on the same items, e.g. of lengths."""

import math

from .clusters import Clusters, Values, covariance_of_means, deviations
from .intervals import quantile


def fieller_ratio(
    baseline: Values, candidate: Values, *, clusters: Clusters | None = None, level: float = 0.95, unseen: float = 0.0
) -> tuple[float, float, float] | None:
    """Ratio of means candidate / baseline, its low and its high end: candidate - r baseline is within t errors of 0.

    Fieller 1954, JRSS-B 16:175-185: r is a root of (y - r x)² = t² (v_yy - 2 r v_xy + r² v_xx), x and y being the
    means and v their (cluster-robust) covariances. `unseen` is span / n where hardly any difference was seen: t of
    these are added to the error, so that t² / n of the items may differ, as in `t_interval`.
    None where x is less than t errors away from 0: every ratio is possible.
    """
    n, x, y = baseline.size, float(baseline.mean()), float(candidate.mean())
    before, after = deviations(baseline, clusters), deviations(candidate, clusters)
    if before.size < 2:
        return None
    t_squared = quantile(level, before.size - 1) ** 2
    a = x * x - t_squared * covariance_of_means(before, before, n)
    b = x * y - t_squared * covariance_of_means(before, after, n)
    c = y * y - t_squared * (covariance_of_means(after, after, n) + t_squared * unseen**2)
    if a <= 0:
        return None
    root = math.sqrt(max(b * b - a * c, 0.0))
    return y / x, (b - root) / a, (b + root) / a
