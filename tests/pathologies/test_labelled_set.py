"""The labelled set is what it says it is; what the shipped detectors reach on the half nobody tuned on is not lost."""

import json
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SET = runpy.run_path(str(Path(__file__).parent / "labelled" / "naive.py"))
TUNE, REPORT = SET["rows"]("tune"), SET["rows"]("report")
ALL = TUNE + REPORT
FLOORS = {
    "verbosity": (0.93, 0.77),
    "sycophancy": (0.83, 0.82),
    "evasion": (0.90, 0.80),
    "repetition": (0.95, 0.74),
    "degeneration": (0.95, 0.68),
}
"""Precision and recall that must not be lost again. The goals are 0.95 and 0.85 for repetition and degeneration, 0.90
and 0.80 for the others: raise a floor when it is passed, and never tune on the half that it is measured on."""
PASSES = ("labels", "first", "second", "third")


def asked(row: dict[str, Any]) -> str:
    return json.dumps(row["prompt"])


def test_rows_are_well_formed() -> None:
    for row in ALL:
        assert set(row) == {"id", "prompt", "completion", "finish_reason", "source", *PASSES}
        assert row["finish_reason"] in ("eos", "length")
        assert isinstance(row["completion"], str)
        for labels in (row[name] for name in PASSES):
            assert labels == [label for label in FLOORS if label in labels]
    assert max(Counter(row["id"] for row in ALL).values()) == 1


def test_there_are_enough() -> None:
    counts = Counter(label for row in ALL for label in row["labels"])
    assert len(ALL) >= 600
    assert all(counts[label] >= 80 for label in FLOORS), counts


def test_no_prompt_is_in_both_halves() -> None:
    assert not {asked(row) for row in TUNE} & {asked(row) for row in REPORT}


@pytest.mark.parametrize("label", FLOORS)
def test_detectors_keep_their_floors(label: str) -> None:
    score = SET["measure"](REPORT, SET["detected"])[label]
    precision, recall = FLOORS[label]
    assert score.precision >= precision, score
    assert score.recall >= recall, score


@pytest.mark.parametrize("label", FLOORS)
def test_the_usual_check_does_not(label: str) -> None:
    score = SET["measure"](REPORT, SET["naive"])[label]
    precision, recall = FLOORS[label]
    assert score.precision < precision or score.recall < recall, score
