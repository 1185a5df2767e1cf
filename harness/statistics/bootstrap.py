"""The bootstrap, for statistics that have no interval of their own."""

import warnings
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .clusters import Clusters, Values, read_clusters
from .estimate import Estimate
from .intervals import normal_quantile, unseen_share
from .paired import checked_pair

Statistic = Callable[[Values, Values], float]
_BATCH = 1_000_000
"""Resampled units held at a time: 8 MB."""


def bootstrap_estimate(
    baseline: ArrayLike,
    candidate: ArrayLike,
    statistic: Statistic | None = None,
    *,
    clusters: Iterable[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """`statistic` of both sides (by default the mean of candidate - baseline), with a bootstrap interval.

    `baseline`, `candidate`: [n], in the same order; `statistic` gets both for the items drawn, [drawn] each.
    Items are drawn in pairs, and clusters as a whole. Bias-corrected and accelerated (BCa): Efron 1987, JASA
    82:171-185; plain percentiles where BCa is not defined. Without any spread between resamples it is bounded as
    the mean would be: see `t_interval`.
    Raises ValueError as `paired_estimate` does, for fewer than 100 resamples and a statistic that is not finite.
    """
    before, after = checked_pair(baseline, candidate)
    normal_quantile(level)
    if resamples < 100:
        raise ValueError(f"resamples must be at least 100, got {resamples}")
    groups = read_clusters(clusters, before.size)
    drawn = _default(before, after, groups) if statistic is None else _given(statistic, before, after, groups)
    units = np.arange(before.size if groups is None else groups.sizes.size)
    value = float(drawn(units))
    low, high, error = _interval(drawn, units, statistic is None, level=level, resamples=resamples, seed=seed)
    if not np.isfinite([value, low, high, error]).all():
        raise ValueError("the statistic must be a finite number for every resample")
    method = "bootstrap"
    if high - low <= 1e-12 * (span := max(1.0, float(np.ptp([before, after])))):
        unseen = unseen_share(level, before.size if groups is None else groups.least_effective_n)
        low, high, method = value - unseen * (span + value), value + unseen * (span - value), "bounded"
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        n=before.size,
        method=method,
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        clusters=None if groups is None else groups.sizes.size,
        standard_error=error,
        effective_n=None if groups is None else groups.least_effective_n,
    )


def _interval(
    drawn: Callable[..., Any], units: NDArray[np.int64], vectorized: bool, *, level: float, resamples: int, seed: int
) -> tuple[float, float, float]:
    """Low, high, standard error of a statistic of the units drawn."""
    from scipy.stats import bootstrap

    settings = {"vectorized": vectorized, "batch": max(1, _BATCH // units.size), "confidence_level": level}
    generator = np.random.default_rng(seed)
    with warnings.catch_warnings(action="ignore"):  # that BCa is not defined, as where most resamples agree
        plain = bootstrap(
            (units,), drawn, n_resamples=resamples, method="percentile", random_state=generator, **settings
        )
        interval = plain.confidence_interval
        if plain.standard_error > 0:
            corrected = bootstrap((units,), drawn, n_resamples=0, method="BCa", bootstrap_result=plain, **settings)
            if np.isfinite(corrected.confidence_interval).all():
                interval = corrected.confidence_interval
    return float(interval.low), float(interval.high), float(plain.standard_error)


def _default(before: Values, after: Values, groups: Clusters | None) -> Callable[..., Any]:
    """The mean difference of the units [..., drawn], of many resamples at once."""
    differences = after - before
    if groups is None:
        return lambda units, axis=-1: differences[units].mean(axis=axis)
    sums, sizes = groups.sums(differences), groups.sizes
    return lambda units, axis=-1: sums[units].sum(axis=axis) / sizes[units].sum(axis=axis)


def _given(statistic: Statistic, before: Values, after: Values, groups: Clusters | None) -> Callable[..., Any]:
    """The given statistic of the items of the units [drawn]."""
    if groups is None:
        return lambda units: statistic(before[units], after[units])
    members = np.split(np.argsort(groups.codes, kind="stable"), np.cumsum(groups.sizes)[:-1])

    def of(units: NDArray[np.int64]) -> float:
        items = np.concatenate([members[unit] for unit in units])
        return statistic(before[items], after[items])

    return of
