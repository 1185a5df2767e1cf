"""Checks of your own, on both sides' answers. Fixtures: `pytest --fixtures` lists those of harness.fixtures."""

import re

import pytest

pytestmark = pytest.mark.section("pathologies")


def test_it_does_not_speak_of_itself_more_often(gate):
    # A rate with an interval, like the shipped detectors: it counts in the decision, under [gates."pathology.*"],
    # and what the expression finds is highlighted in the report.
    gate.answers("speaks_of_itself", lambda _prompt, answer: re.search(r"\bas an AI\b", answer, re.IGNORECASE))


def test_no_answer_shows_the_template(completions):
    # A rule without exceptions, on the candidate's answers alone: a plain assertion.
    for row in completions:
        assert "<|im_start|>" not in row.candidate.text, f"{row.prompt.id}: {row.candidate.text}"
