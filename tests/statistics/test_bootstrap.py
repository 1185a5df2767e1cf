"""The paired bootstrap."""

import time

import numpy as np
import pytest

from harness.statistics import bootstrap_estimate, paired_estimate


def median_difference(before, after):
    return float(np.median(after - before))


@pytest.mark.parametrize("clusters", [None, np.arange(400) // 4])
def test_the_mean_difference_has_the_interval_of_t(clusters):
    generator = np.random.default_rng(0)
    before, after = generator.normal(size=(2, 400)) + generator.normal(size=100).repeat(4)
    after = after + generator.normal(size=100).repeat(4)
    own = bootstrap_estimate(before, after, clusters=clusters)
    t = paired_estimate(before, after, clusters=clusters)
    assert own.value == pytest.approx(t.value)
    assert own.standard_error == pytest.approx(t.standard_error, rel=0.03)
    assert (own.low, own.high) == pytest.approx((t.low, t.high), abs=0.05 * (t.high - t.low))
    assert (own.method, own.clusters, own.n) == ("bootstrap", t.clusters, 400)
    assert (own.baseline, own.candidate) == (t.baseline, t.candidate)


def test_bca_by_scipy():
    from scipy.stats import bootstrap

    before, after = np.random.default_rng(1).gamma(1, size=(2, 50))
    own = bootstrap_estimate(before, after, lambda b, a: float(np.log(a.mean() / b.mean())), resamples=2000, seed=3)
    other = bootstrap(
        (before, after),
        lambda b, a, axis: np.log(a.mean(axis=axis) / b.mean(axis=axis)),
        paired=True,
        n_resamples=2000,
        random_state=np.random.default_rng(3),
    )
    assert (own.low, own.high) == pytest.approx(tuple(other.confidence_interval), abs=1e-9)


def test_clusters_are_drawn_as_a_whole():
    # Of two clusters of different size, a resample is one of them twice, or both: three values.
    seen = set()

    def total(before, after):
        seen.add((before.size, round(float((after - before).sum()), 6)))
        return float((after - before).mean())

    bootstrap_estimate([0.0] * 3, [0.1, 0.2, 0.9], total, clusters="aab", resamples=200)
    # As does leaving one out, for BCa.
    assert seen == {(3, 1.2), (4, 0.6), (2, 1.8), (2, 0.3), (1, 0.9)}


def test_the_same_seed_gives_the_same_interval():
    before, after = np.random.default_rng(0).random((2, 40))
    assert bootstrap_estimate(before, after, seed=1) == bootstrap_estimate(before, after, seed=1)
    assert bootstrap_estimate(before, after, seed=1) != bootstrap_estimate(before, after, seed=2)


def test_a_skewed_median_is_covered():
    generator, covered = np.random.default_rng(0), 0
    for seed in range(100):
        before, noise = generator.normal(size=60), generator.exponential(size=60)
        estimate = bootstrap_estimate(before, before + noise, median_difference, resamples=500, seed=seed)
        covered += estimate.low <= np.log(2) <= estimate.high
    assert 0.88 <= covered / 100 <= 0.99


def test_without_spread_it_is_bounded():
    values = [0.1, 0.5, 0.3, 0.3]
    for statistic in (None, median_difference):
        own, t = bootstrap_estimate(values, values, statistic), paired_estimate(values, values)
        assert (own.low, own.high, own.method) == (t.low, t.high, "bounded")


def test_where_most_resamples_agree_it_falls_back_on_percentiles():
    # Nine in ten equal: the median is 0 in nearly every resample and leaving any one out.
    estimate = bootstrap_estimate([0.0] * 20, [0.0] * 12 + [1.0] * 8, median_difference)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"candidate": [1.0]}, "join them by content hash"),
        ({"level": 1.0}, "level must be between"),
        ({"resamples": 10}, "resamples must be at least 100"),
        ({"clusters": "aa"}, "one cluster"),
        ({"statistic": lambda *_: float("nan")}, "must be a finite number"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_estimate(**{"baseline": [0.1, 0.2], "candidate": [0.4, 0.2]} | arguments)


def test_ten_thousand_resamples_of_two_thousand_items_take_under_two_seconds():
    before, after = np.random.default_rng(0).random((2, 2000))
    bootstrap_estimate(before[:9], after[:9])  # loads scipy
    start = time.process_time()
    bootstrap_estimate(before, after, resamples=10_000)
    assert time.process_time() - start < 2
