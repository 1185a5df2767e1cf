"""Alignment must not cost knowledge or reasoning."""

import pytest

pytestmark = pytest.mark.section("tax")


def test_pooled_benchmarks(gate):
    gate("tax.pooled")


def test_each_task(gate, comparison):
    comparison.measure("tax")
    for metric in comparison.estimates:
        if metric.startswith("tax.") and metric != "tax.pooled":
            gate(metric)
