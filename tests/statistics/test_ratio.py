"""Fieller's interval of a ratio of means."""

import math

import numpy as np
import pytest

from harness.statistics import paired_estimate


def test_the_roots_by_hand():
    # x = 10, y = 21, v_xx = 1/3, v_yy = 1, v_xy = 1/2, t² = 18.5128 at 2 degrees of freedom:
    # a = 100 - t²/3, b = 210 - t²/2, c = 441 - t², and the roots (b ± sqrt(b² - a c)) / a.
    estimate = paired_estimate([9.0, 10.0, 11.0], [20.0, 20.0, 23.0])
    t2 = 4.302652729911275**2
    a, b, c = 100 - t2 / 3, 210 - t2 / 2, 441 - t2
    root = math.sqrt(b * b - a * c)
    assert estimate.ratio == pytest.approx(2.1, abs=1e-12)
    assert (estimate.ratio_low, estimate.ratio_high) == pytest.approx(((b - root) / a, (b + root) / a), abs=1e-9)
    assert (round(estimate.ratio_low, 3), round(estimate.ratio_high, 3)) == (1.866, 2.413)


def test_at_its_ends_a_t_test_of_the_contrast_just_rejects():
    from scipy.stats import ttest_1samp
    from statsmodels.api import OLS

    generator = np.random.default_rng(0)
    before = generator.gamma(4, 20, size=60)
    after = before * generator.gamma(9, 0.13, size=60)
    estimate = paired_estimate(before, after)
    for end in (estimate.ratio_low, estimate.ratio_high):
        assert ttest_1samp(after - end * before, 0).pvalue == pytest.approx(0.05, abs=1e-9)
    labels = np.arange(60) // 4
    estimate = paired_estimate(before, after, clusters=labels)
    for end in (estimate.ratio_low, estimate.ratio_high):
        contrast = after - end * before
        fit = OLS(contrast, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": labels}, use_t=True)
        assert fit.pvalues[0] == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("baseline", [[0, 0, 0, 0], [0, 0, 0, 1], [-1.0, 1.0, 0.5, -0.4]])
def test_there_is_none_to_a_baseline_near_zero(baseline):
    estimate = paired_estimate(baseline, [1, 1, 0, 1])
    assert estimate.ratio is estimate.ratio_low is estimate.ratio_high is None
    assert paired_estimate([3.0], [4.0]).ratio is None


@pytest.mark.parametrize("clusters", [None, np.arange(200) // 4])
def test_an_unchanged_model_keeps_a_width(clusters):
    for values in (np.arange(200) % 2, np.arange(200) % 7 + 1.0):
        estimate = paired_estimate(values, values, clusters=clusters)
        assert estimate.ratio == 1
        # About what the difference's interval leaves, relative to the baseline.
        unseen = estimate.high / values.mean()
        assert estimate.ratio_high - 1 == pytest.approx(unseen, rel=0.25)
        assert 1 - estimate.ratio_low == pytest.approx(unseen, rel=0.25)


def test_lengths_are_covered():
    generator, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        before = generator.gamma(1.5, 60, size=80)
        after = 1.2 * before * generator.gamma(4, 0.25, size=80)
        estimate = paired_estimate(before, after)
        covered += estimate.ratio_low <= 1.2 <= estimate.ratio_high
    assert 0.93 <= covered / 1000 <= 0.97


@pytest.mark.parametrize("lost", [0.01, 0.03, 0.10])
def test_ratios_of_shares_with_few_flips_are_covered(lost):
    generator, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        before = generator.random(200) < 0.6
        after = before & (generator.random(200) >= lost)
        estimate = paired_estimate(before, after)
        covered += estimate.ratio_low <= 1 - lost <= estimate.ratio_high
    assert covered / 1000 >= 0.93
