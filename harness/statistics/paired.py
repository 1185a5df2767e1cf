"""The two ways to an Estimate: two sides on the same items, or one side's share."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .estimate import Estimate
from .intervals import Interval, exact_interval, normal_quantile, t_interval, tango_interval, wilson_interval
from .power import detectable_mean_difference, detectable_proportion_difference, detectable_share

Values = NDArray[np.float64]


def paired_estimate(baseline: ArrayLike, candidate: ArrayLike, *, level: float = 0.95, unscored: int = 0) -> Estimate:
    """The mean of candidate - baseline over items that both sides have, with its interval.

    `baseline`, `candidate`: [n], one value per item, in the same order (join by content hash beforehand).
    Tango's score interval where every value is 0 or 1, Student's t otherwise. `unscored` counts items that
    have no value; in the worst case each differs by the whole range: 1, or that of the values if larger.
    Raises ValueError for different lengths, no items, values that are not finite, a level outside (0, 1).
    """
    before, after = _checked(baseline, "baseline"), _checked(candidate, "candidate")
    if before.size != after.size:
        raise ValueError(
            f"baseline has {before.size} values and candidate {after.size}: join them by content hash first"
        )
    normal_quantile(level)
    both = np.concatenate([before, after])
    binary = bool(np.isin(both, (0.0, 1.0)).all())
    span = max(1.0, float(np.ptp(both)))
    differences = after - before
    discordance = float(np.count_nonzero(differences)) / differences.size if binary else None
    interval = _interval(differences, binary, span, level)
    against = np.full(_checked_count(unscored), span)
    return Estimate(
        value=float(differences.mean()),
        low=interval.low,
        high=interval.high,
        level=level,
        n=differences.size,
        method=interval.method,
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        discordance=discordance,
        unscored=unscored,
        worst_low=_interval(np.append(differences, -against), binary, span, level).low if unscored else None,
        worst_high=_interval(np.append(differences, against), binary, span, level).high if unscored else None,
        detectable=_detectable(differences, discordance, level),
    )


def mean_estimate(values: ArrayLike, *, level: float = 0.95, unscored: int = 0) -> Estimate:
    """The mean of the candidate's own values in [0, 1] (a tie is 0.5), with Wilson's score interval.

    `values`: [n]. The interval is conservative with ties: see `wilson_interval`. The worst case counts each
    unscored item as 0 (higher being better) or 1 (lower being better). `detectable` is the distance from 0.5.
    Raises ValueError for no items, values outside [0, 1], a level outside (0, 1).
    """
    scores = _checked(values, "values")
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(f"values must be in [0, 1], got {scores.min():g} to {scores.max():g}")
    n, mean, total = scores.size, float(scores.mean()), scores.size + _checked_count(unscored)
    low, high = wilson_interval(mean, n, level=level)
    return Estimate(
        value=mean,
        low=low,
        high=high,
        level=level,
        n=n,
        method="wilson",
        candidate=mean,
        unscored=unscored,
        worst_low=wilson_interval(mean * n / total, total, level=level)[0] if unscored else None,
        worst_high=wilson_interval((mean * n + unscored) / total, total, level=level)[1] if unscored else None,
        detectable=detectable_share(n, level=level),
    )


def candidate_share(estimate: Estimate) -> Estimate:
    """The candidate's own share out of a paired Estimate of shares, with its exact interval.

    Raises ValueError where the candidate's mean is no share.
    """
    share, n, level = estimate.candidate, estimate.n, estimate.level
    if share is None or not 0 <= share <= 1:
        raise ValueError(f"the candidate's mean must be a share in [0, 1], got {share}")
    low, high = exact_interval(share, n, level=level)
    total = n + estimate.unscored
    worst_low, _ = exact_interval(share * n / total, total, level=level)
    _, worst_high = exact_interval((share * n + estimate.unscored) / total, total, level=level)
    return Estimate(
        value=share,
        low=low,
        high=high,
        level=level,
        n=n,
        method="exact",
        candidate=share,
        unscored=estimate.unscored,
        worst_low=worst_low if estimate.unscored else None,
        worst_high=worst_high if estimate.unscored else None,
    )


def _interval(differences: Values, binary: bool, span: float, level: float) -> Interval:
    if not binary:
        return t_interval(differences, span=span, level=level)
    lost, won = int((differences < 0).sum()), int((differences > 0).sum())
    return Interval(*tango_interval(lost, won, differences.size, level=level), "tango")


def _detectable(differences: Values, discordance: float | None, level: float) -> float | None:
    if discordance is not None:
        return detectable_proportion_difference(differences.size, discordance, level=level)
    spread = float(differences.std(ddof=1)) if differences.size > 1 else 0.0
    return detectable_mean_difference(differences.size, spread, level=level)


def _checked(values: ArrayLike, name: str) -> Values:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a list of at least one value, got shape {array.shape}")
    if not np.isfinite(array).all():
        first = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name}[{first}] is {array[first]}: count an item without a value as unscored")
    return array


def _checked_count(unscored: int) -> int:
    if unscored < 0:
        raise ValueError(f"unscored must be at least 0, got {unscored}")
    return unscored
