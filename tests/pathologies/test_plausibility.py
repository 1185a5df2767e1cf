"""Plausible English, word salad, invented words; one thought again and again; the wording model's arithmetic."""

import math

import pytest

from harness.pathologies.plausibility import SALAD, invented, is_word, jumble, may_be_salad, salad
from harness.pathologies.restating import enumeration_again, items_again, paragraph_again, restated
from harness.pathologies.text import letter_spans, sentences
from harness.pathologies.wording import Model, features

PROSE = (
    "The bridge was built in two years by a firm from the north. Most of the steel came up the river on barges, and "
    "the last bolt was set on a cold morning in May, while half of the town looked on from the bank."
)
SALAD_TEXT = (
    "bridge salary purple although nineteen swims carefully toaster beneath vowel marching lemon ribs argued spoon "
    "vertical nevertheless cough antenna whisper gravel seventeen opera."
)


def test_salad_scores_high_and_prose_low() -> None:
    prose, jumbled = salad(PROSE), salad(SALAD_TEXT)
    assert prose is not None and prose[0] < 0.7
    assert jumbled is not None and jumbled[0] >= SALAD
    assert jumbled[1].text in SALAD_TEXT
    assert may_be_salad([word.text for word in letter_spans(SALAD_TEXT)])
    assert not may_be_salad([word.text for word in letter_spans(PROSE)])


def test_too_few_pairs_tell_nothing() -> None:
    assert salad("a few words") is None
    assert jumble("xqz vvk") == 0.0


def test_words_and_inventions() -> None:
    assert is_word("bridge") and is_word("steelworks") and not is_word("vowedt")
    found = invented("The carembrak was tellzh and the zorbly stood.", frozenset(["zorbly"]))
    assert [word.text for word in found] == ["carembrak", "tellzh"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("A cook cooks soup. A cook cooks fish. A cook cooks rice. A cook cooks meat. A cook cooks ham.", "frame"),
        ("Rome is Italy's capital. The capital of Italy is Rome. Italy has Rome as its capital. It's old.", "restated"),
    ],
)
def test_one_thought_again(text: str, kind: str) -> None:
    found = restated(sentences(text))
    assert found is not None and found.times >= 3
    assert found.kind == kind


def test_thoughts_that_differ() -> None:
    assert (
        restated(sentences(PROSE + " It cost four million. Ships of any size pass below. Cyclists may cross.")) is None
    )


def test_items_and_paragraphs_again() -> None:
    assert items_again(sentences("- Oak\n- Elm\n- Oak\n- Elm\n- Oak")) is not None
    assert items_again(sentences("- Oak\n- Elm\n- Ash\n- Yew\n- Fir")) is None
    assert items_again(sentences("Name: ____\n" * 6)) is None
    assert enumeration_again("Oak, elm, oak, ash, oak, elm, oak, ash, oak, elm, oak.") is not None
    assert paragraph_again(letter_spans(f"{PROSE} Between. {PROSE}")) is not None
    assert paragraph_again(letter_spans(PROSE)) is None


def test_score_is_bias_and_weights_over_root() -> None:
    assert features("i can't stop") == ["i", "ca", "not", "stop", "i ca", "ca not", "not stop"]
    score = Model({"not": 3.0, "other": 9.0}, -1.0).score(["not", "not", "a", "b", "c"])
    assert math.isclose(score, -1.0 + 3.0 / 2)
