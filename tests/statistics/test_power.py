"""What n items can show: closed forms by hand, and power by simulation."""

import math

import numpy as np
import pytest

from harness.statistics import mean_estimate, paired_estimate, tango_interval, wilson_interval
from harness.statistics.power import (
    bounds_at,
    detectable_mean_difference,
    detectable_proportion_difference,
    detectable_share,
    items_needed,
)

Z, POWER = 1.959963984540054, 0.8416212335729143


def test_detectable_proportion_difference_solves_its_equation():
    # Discordance 0.2 at n = 200: d √200 = z √0.2 + z_0.8 √(0.2 - d²), a quadratic in d.
    n, psi = 200, 0.2
    a, b, c = n + POWER**2, -2 * Z * math.sqrt(n * psi), (Z**2 - POWER**2) * psi
    by_hand = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    assert detectable_proportion_difference(n, psi) == pytest.approx(by_hand, abs=1e-9)


def test_without_flips_a_difference_still_has_to_make_some():
    # √(n d) = z + z_0.8 √(1 - d) at n = 96.
    d = detectable_proportion_difference(96, 0.0)
    assert math.sqrt(96 * d) == pytest.approx(Z + POWER * math.sqrt(1 - d), abs=1e-9)
    assert detectable_proportion_difference(2, 0.0) == 1.0


def test_detectable_difference_is_shown_eight_times_in_ten():
    n, psi = 400, 0.15
    d = detectable_proportion_difference(n, psi)
    draws = np.random.default_rng(0).multinomial(n, [(psi - d) / 2, (psi + d) / 2, 1 - psi], size=1000)
    shown = [tango_interval(lost, won, n)[0] > 0 for lost, won, _ in draws.tolist()]
    assert np.mean(shown) == pytest.approx(0.80, abs=0.04)


def test_detectable_mean_difference_by_hand():
    # n = 3: t(0.975) = 4.3027, t(0.8) = 1.0607 at 2 degrees of freedom.
    assert detectable_mean_difference(3, 1.0) == pytest.approx((4.302653 + 1.060660) / math.sqrt(3), abs=1e-6)
    assert detectable_mean_difference(3, 0.0) is None
    assert detectable_mean_difference(1, 1.0) is None


def test_detectable_share_is_shown_eight_times_in_ten():
    d = detectable_share(60)
    # d √60 = z / 2 + z_0.8 √(1/4 - d²)
    assert d * math.sqrt(60) == pytest.approx(Z / 2 + POWER * math.sqrt(0.25 - d * d), abs=1e-9)
    wins = np.random.default_rng(0).binomial(60, 0.5 + d, size=2000)
    assert np.mean([wilson_interval(w / 60, 60)[0] > 0.5 for w in wins.tolist()]) == pytest.approx(0.80, abs=0.05)


@pytest.mark.parametrize(
    "estimate",
    [
        paired_estimate([1, 1, 0, 0, 1], [1, 0, 1, 0, 0]),
        paired_estimate([0.1, 0.5, 0.2], [0.1, 0.6, 0.4]),
        paired_estimate([0.1, 0.5], [0.1, 0.5]),
        mean_estimate([1.0, 0.5, 0.0, 1.0]),
    ],
    ids=lambda estimate: estimate.method,
)
def test_bounds_at_the_same_n_are_the_estimates_own_and_shrink_with_more(estimate):
    assert bounds_at(estimate, estimate.n) == pytest.approx((estimate.low, estimate.high), abs=1e-12)
    low, high = bounds_at(estimate, 100 * estimate.n)
    assert estimate.low < low < estimate.value < high < estimate.high or estimate.method == "bounded"


def test_items_needed_finds_the_first_number():
    assert items_needed(lambda n: n >= 12_345, 60) == 12_345
    assert items_needed(lambda n: n >= 12_345, 20_000) == 20_000
    assert items_needed(lambda _: False, 60) is None
