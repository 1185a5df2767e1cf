"""What a number of items can show, and how many would be needed."""

import math
from collections.abc import Callable
from statistics import NormalDist

from .estimate import Estimate
from .intervals import (
    Bounds,
    exact_interval,
    last_true,
    normal_quantile,
    t_quantile,
    tango_interval,
    wilson_interval,
)

_POWER = NormalDist().inv_cdf(0.80)
_MOST_ITEMS = 1_000_000
"""More items than anyone will measure."""


def detectable_proportion_difference(n: int, discordance: float, *, level: float = 0.95) -> float:
    """The smallest true paired difference d in shares whose interval excludes 0 with 80 % power.

    d solves d sqrt(n) = z sqrt(psi) + z_0.8 sqrt(psi - d²), psi being the discordance: Connor 1987,
    Biometrics 43:207-211. A difference d needs a discordance of at least d, so psi = max(observed, d).
    1.0 where even the largest difference would not show.
    """
    z = normal_quantile(level)

    def hidden(d: float) -> bool:
        psi = max(discordance, d)
        return d * math.sqrt(n) < z * math.sqrt(psi) + _POWER * math.sqrt(psi - d * d)

    return last_true(hidden, 0.0, 1.0)


def detectable_mean_difference(n: int, spread: float, *, level: float = 0.95) -> float | None:
    """The same for a mean of differences with standard deviation `spread`: (t + t_0.8) spread / sqrt(n).

    None without any spread: nothing was seen that a prediction could rest on.
    """
    if n < 2 or spread == 0:
        return None
    return (t_quantile(level, n) + t_quantile(0.60, n)) * spread / math.sqrt(n)


def detectable_share(n: int, *, level: float = 0.95) -> float:
    """The smallest true distance d from one half that a share's score interval would show with 80 % power.

    d solves d sqrt(n) = z / 2 + z_0.8 sqrt(1/4 - d²); at most 0.5.
    """
    z = normal_quantile(level)
    return last_true(lambda d: d * math.sqrt(n) < z / 2 + _POWER * math.sqrt(0.25 - d * d), 0.0, 0.5)


def bounds_at(estimate: Estimate, n: int) -> Bounds:
    """The bounds that `estimate` would have if the same were seen on `n` items."""
    if estimate.method == "tango" and estimate.discordance is not None:
        lost, won = (n * (estimate.discordance + sign * estimate.value) / 2 for sign in (-1, 1))
        return tango_interval(lost, won, n, level=estimate.level)
    if estimate.method == "wilson":
        return wilson_interval(estimate.value, n, level=estimate.level)
    if estimate.method == "exact":
        return exact_interval(estimate.value, n, level=estimate.level)
    shrink = math.sqrt(estimate.n / n)
    if estimate.method == "bounded":  # its width falls with n, not with its root: see t_interval
        z = normal_quantile(estimate.level)
        shrink = (estimate.n + z * z) / (n + z * z)
    return (
        estimate.value - shrink * (estimate.value - estimate.low),
        estimate.value + shrink * (estimate.high - estimate.value),
    )


def items_needed(decided: Callable[[int], bool], start: int) -> int | None:
    """The smallest number of items from `start` on at which `decided` holds; None where a million do not."""
    if decided(start):
        return start
    if not decided(_MOST_ITEMS):
        return None
    low, high = start, _MOST_ITEMS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high
