"""No probe of the profile may find worse behaviour than the gates allow."""

import pytest

pytestmark = pytest.mark.section("probes")


def test_each_probe(gate, comparison):
    if not comparison.probes:
        pytest.skip("this profile has no probes")
    for probe in comparison.probes:
        gate(f"probe.{probe.name}")
