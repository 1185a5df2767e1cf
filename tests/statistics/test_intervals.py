"""Intervals against published examples, other libraries and closed forms worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics import exact_interval, mcnemar, t_interval, tango_interval, wilson_interval

Z2 = 1.959963984540054**2


@pytest.mark.parametrize(
    ("cells", "published"),
    [
        # Table II of Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33:2850-2875: 21 children.
        ((1, 1, 7, 12), (-0.517, -0.026)),
        # Agresti and Min 2005, Statistics in Medicine 24:729-740.
        ((53, 16, 8, 9), (-0.020, 0.207)),
    ],
)
def test_tango_matches_published_examples(cells, published):
    _, first_only, second_only, _ = cells  # the papers subtract the second side from the first
    low, high = tango_interval(second_only, first_only, sum(cells))
    assert (round(low, 3), round(high, 3)) == published


@pytest.mark.parametrize(("n", "points"), [(60, 6.0), (100, 3.7), (200, 1.9)])
def test_tango_without_flips_keeps_its_width(n, points):
    low, high = tango_interval(0, 0, n)
    # n d² = z² d (1 - d) has the root z² / (n + z²).
    assert high == pytest.approx(Z2 / (n + Z2), abs=1e-12)
    assert low == pytest.approx(-high, abs=1e-12)
    assert round(100 * high, 1) == points


@pytest.mark.parametrize(("n", "points"), [(60, 9.6), (100, 7.0), (200, 4.7)])
def test_tango_with_ten_percent_flips(n, points):
    low, high = tango_interval(n // 20, n // 20, n)
    assert (round(-100 * low, 1), round(100 * high, 1)) == (points, points)


@pytest.mark.parametrize(("won", "n"), [(1, 44), (3, 96), (10, 100)])
def test_tango_with_flips_one_way_ends_where_wilson_does(won, n):
    # Nothing lost, and a hypothesis above won / (2 n - won): the likeliest share of losses is 0, the variance
    # d (1 - d) / n, and so the upper bound that of the single share won / n.
    assert tango_interval(0, won, n)[1] == pytest.approx(wilson_interval(won / n, n)[1], abs=1e-12)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 100))
def test_tango_holds_its_value_and_mirrors(lost, won, same):
    n = max(1, lost + won + same)
    low, high = tango_interval(lost, won, n)
    assert -1 <= low <= (won - lost) / n <= high <= 1
    assert tango_interval(won, lost, n) == pytest.approx((-high, -low), abs=1e-12)


def test_tango_at_the_edges():
    # All ten lost: under a difference d the likeliest shares are (1 - d) / 2 lost and (1 + d) / 2 won, the
    # variance is 1 - d², and n (1 + d) / (1 - d) = z² gives the upper bound.
    low, high = tango_interval(10, 0, 10)
    assert low == -1
    assert high == pytest.approx((Z2 - 10) / (Z2 + 10), abs=1e-12)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (48, 60), (60, 60), (7, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_single_shares_match_statsmodels(hits, n, level):
    from statsmodels.stats.proportion import proportion_confint

    for own, method in ((wilson_interval, "wilson"), (exact_interval, "beta")):
        expected = proportion_confint(hits, n, alpha=1 - level, method=method)
        assert own(hits / n, n, level=level) == pytest.approx(expected, abs=1e-9)


def test_exact_interval_decides_one_percent_from_368_items_on():
    # 1 - 0.025^(1/n) < 0.01 needs n > ln 0.025 / ln 0.99 = 367.04.
    assert exact_interval(0, 367)[1] > 0.01 > exact_interval(0, 368)[1]


def test_t_matches_scipy():
    from scipy.stats import ttest_rel

    generator = np.random.default_rng(0)
    before, after = generator.normal(size=(2, 37))
    expected = ttest_rel(after, before).confidence_interval(0.95)
    interval = t_interval(after - before)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert interval.method == "t"


def test_t_by_hand():
    # Mean 2, standard deviation 1, t at 2 degrees of freedom 4.3027: 2 ± 4.3027 / √3.
    interval = t_interval(np.array([1.0, 2.0, 3.0]))
    assert interval.high - 2 == pytest.approx(4.302652729911275 / math.sqrt(3), abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_differences_without_spread_never_get_a_width_of_zero(shift):
    interval = t_interval(np.full(60, shift))
    unseen = Z2 / (60 + Z2)
    assert interval.method == "bounded"
    assert interval.low == pytest.approx(shift * (1 - unseen) - unseen, abs=1e-12)
    assert interval.high == pytest.approx(shift * (1 - unseen) + unseen, abs=1e-12)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 9), (9, 1), (5, 5), (3, 40)])
def test_mcnemar_matches_statsmodels(lost, won):
    from statsmodels.stats.contingency_tables import mcnemar as reference

    assert mcnemar(lost, won) == pytest.approx(reference([[0, lost], [won, 0]], exact=True).pvalue, abs=1e-12)


def test_mcnemar_by_hand():
    # One lost, nine won: 2 (1 + 10) / 2^10.
    assert mcnemar(1, 9) == pytest.approx(22 / 1024, abs=1e-15)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, math.nan])
def test_a_level_outside_zero_to_one_is_refused(level):
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        tango_interval(1, 1, 10, level=level)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        exact_interval(0.5, 10, level=level)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        t_interval(np.array([0.0, 1.0]), level=level)
