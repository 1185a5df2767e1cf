"""What a judge's words amount to."""

import json
import math
import time

import pytest

from harness.judges.calls import Reply, Token
from harness.judges.parsing import read_reply, read_text

READABLE = [
    ('{"reasoning": "r", "verdict": "A", "confidence": 0.9}', "first", 0.9),
    ('{"verdict": "B", "confidence": 85}', "second", 0.85),
    ('{"verdict": "tie", "confidence": 0.9}', "tie", None),
    ('{"verdict": "Answer B"}', "second", None),
    ('{"verdict": "A", "confidence": "high"}', "first", None),
    ('{"verdict": "A", "confidence": true}', "first", None),
    ('{"verdict": "A", "confidence": NaN}', "first", None),
    ('```json\n{"reasoning": "ends in }", "verdict": "B"}\n```', "second", None),
    ('```\n{"verdict": "A"}\n```\nI hope this helps.', "first", None),
    ('Both are fine {so far}.\n{"reasoning": "x", "verdict": "B"}', "second", None),
    ("{'verdict': 'A'}\n[[B]]", "second", None),
    ('{"verdict": "A",}', "first", None),
    ("[[A]]", "first", None),
    ("My verdict is [[b]].", "second", None),
    ("[[C]]", "tie", None),
    ("[[Tie]]", "tie", None),
    ("A", "first", None),
    (" b. ", "second", None),
    ("**A**", "first", None),
    ("Answer B", "second", None),
    ("Both have merits.\n\nFinal verdict: tie", "tie", None),
    ("The first is longer.\nWinner: **B**\n", "second", None),
    # The last verdict stands.
    ('Answer A says "[[A]]", an attempt to steer me. [[B]]', "second", None),
    ('[[A]] it says. {"reasoning": "it asks for [[A]]", "verdict": "B"}', "second", None),
    ('{"verdict": "A"}\nOn reflection: [[B]]', "second", None),
    ('{"verdict": "B", "reasoning": "answer A contains [[A]] and \\"verdict\\": \\"A\\""}', "second", None),
    ("[[A]] at first sight.\nB", "second", None),
    ("A matrix such as [[1, 2], [3, 4]] is right: [[A]]\nas [[0, 1]] shows", "first", None),
]


@pytest.mark.parametrize(("text", "outcome", "confidence"), READABLE)
def test_the_last_verdict_stands(text: str, outcome: str, confidence: float | None) -> None:
    reading = read_text(text)
    assert (reading.outcome, reading.confidence, reading.reason) == (outcome, confidence, "")


UNREADABLE = [
    ("", "answer is empty"),
    (" \n\t", "answer is empty"),
    ("Both have merits.", "no verdict in the judge's answer: 'Both have merits.'"),
    ("I'm sorry, but I can't compare these.", "the judge refused"),
    ("As an AI, I have no preference.", "the judge refused"),
    ("[[D]]", "must be A, B or tie, got 'D'"),
    ("[[A]] was tempting, [[neither]] is what I say", "must be A, B or tie, got 'neither'"),
    ('{"verdict": "both"}', "must be A, B or tie, got 'both'"),
    ('{"verdict": null}', "must be A, B or tie, got 'None'"),
    ('{"verdict": ["A"]}', "must be A, B or tie"),
    ('{"verdict": 1}', "must be A, B or tie"),
    ('{"verdict": "A", "verdict": "B"}', "contradicts itself"),
    ("[[A]] [[B]]", "contradicts itself"),
    ("Reply with [[A]] or [[B]]", "contradicts itself"),
    ('{"winner": "A"}', "no verdict"),
    ('["A"]', "no verdict"),
    ("A and B are equally good", "no verdict"),
]


@pytest.mark.parametrize(("text", "reason"), UNREADABLE)
def test_anything_else_is_unscored_with_the_reason(text: str, reason: str) -> None:
    reading = read_text(text)
    assert reading.outcome == "unscored" and reading.unreadable
    assert reason in reading.reason and "\n" not in reading.reason and len(reading.reason) < 200


def test_a_reply_that_was_cut_off_or_refused_says_nothing() -> None:
    cut = read_reply(Reply("I lean to [[A]], since", "length"))
    assert cut.outcome == "unscored" and "cut off" in cut.reason and not cut.unreadable
    refused = read_reply(Reply('{"verdict": "A"}', "refusal"))
    assert refused.outcome == "unscored" and "refused" in refused.reason and not refused.unreadable


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{" * 1_000_000,
        "[[" + " " * 1_000_000,
        "[[A" * 300_000,
        "[[A]]" * 200_000,
        '{"verdict": ' * 80_000,
        '"verdict"' * 110_000,
        '{"a":' * 200_000 + "1" + "}" * 200_000,
        '{"verdict": ' + "9" * 1_000_000 + "}",
        "verdict " * 120_000,
        "\n" * 1_000_000,
        "*" * 1_000_000 + "A",
        '{"verdict": "' + "A" * 1_000_000 + '"}',
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_megabyte_is_read_in_under_a_second(text: str) -> None:
    start = time.process_time()
    reading = read_text(text)
    assert time.process_time() - start < 1
    assert len(reading.reason) < 300


def tokens(*texts: str, at: str = "", a: float = 0.0, b: float = 0.0) -> tuple[Token, ...]:
    """Tokens, the one equal to `at` with these probabilities of A and B."""
    chances = {name: math.log(p) for name, p in (("A", a), (" B", b), ("tie", 0.05)) if p}
    return tuple(Token(text, chances if text == at else {text: -0.01}) for text in texts)


def test_log_probabilities_make_a_soft_verdict() -> None:
    given = tokens('{"reasoning":', '"A is', ' fine",', '"verdict":', ' "', "B", '"}', at="B", a=0.2, b=0.6)
    text = "".join(token.text for token in given)
    reading = read_reply(Reply(text, tokens=given))
    assert reading.outcome == "second"
    assert reading.confidence == pytest.approx(0.75)  # 0.6 of 0.6 + 0.2
    bare = read_reply(Reply("A", tokens=tokens("A", at="A", a=0.9, b=0.1)))
    assert (bare.outcome, bare.confidence) == ("first", pytest.approx(0.9))


def test_a_letter_that_is_no_token_of_its_own_leaves_what_the_judge_said() -> None:
    given = (Token('{"verdict":"B","confidence":0.7}', {}),)
    reading = read_reply(Reply(json.dumps({"verdict": "B", "confidence": 0.7}), tokens=given))
    assert (reading.outcome, reading.confidence) == ("second", 0.7)
