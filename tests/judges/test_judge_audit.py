"""Which judges the audit admits, and what it says of the others."""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from harness.judges import (
    AuditThresholds,
    Game,
    JudgeDataError,
    Progress,
    Question,
    Verdict,
    audit,
    conversation,
    load_gold_pairs,
)

GOLD = load_gold_pairs()


@dataclass
class Scripted:
    """Gives the Verdict that `decide` makes of each game."""

    decide: Callable[[Game], Verdict]
    name: str = "scripted"

    def judge(self, games: Sequence[Game], *, progress: Progress | None = None) -> list[Verdict]:  # noqa: ARG002
        return [self.decide(game) for game in games]


def pick(game: Game, *, right: bool) -> Verdict:
    """The verdict for the right side of a labelled game, or for the other one."""
    right_is_first = (game.question.label == "a") == (game.order == "ab")
    return Verdict.of(game, "first" if right_is_first == right else "second")


def pairs(count: int) -> list[Question]:
    return [Question(f"p{i}", conversation("?"), f"a{i}", f"b{i}", label="a" if i % 2 else "b") for i in range(count)]


def test_an_always_first_judge_is_refused() -> None:
    found = audit(Scripted(lambda game: Verdict.of(game, "first")), GOLD)
    overall = found.overall
    assert overall.win_rate == overall.accuracy == 0.5
    assert (overall.agreement, overall.first_share) == (0.0, 1.0)
    assert (overall.flips_first, overall.flips_second) == (len(GOLD), 0)
    assert not found.admitted
    assert found.reasons == (
        "accuracy 0.50 < 0.70 on 48 labelled pairs",
        "agreement between orders 0.00 < 0.75: it picks the first answer in 100 % of calls, whatever stands there",
    )


def test_an_always_second_judge_is_named_as_such() -> None:
    found = audit(Scripted(lambda game: Verdict.of(game, "second")), GOLD)
    assert found.overall.flips_second == len(GOLD)
    assert "picks the second answer in 100 % of calls" in found.reasons[1]


def test_a_random_judge_is_refused() -> None:
    rng = random.Random(0)
    found = audit(Scripted(lambda game: Verdict.of(game, rng.choice(("first", "second")))), pairs(400))
    assert found.overall.agreement == pytest.approx(0.5, abs=0.1)  # 4 standard errors at 400 pairs
    assert found.overall.accuracy == pytest.approx(0.5, abs=0.075)
    assert not found.admitted
    assert "turns when the answers change places" in found.reasons[1]


def test_an_85_percent_order_insensitive_judge_is_admitted() -> None:
    wrong = {question.id for question in random.Random(1).sample(GOLD, 7)}  # 41 of 48 right: 85 %
    found = audit(Scripted(lambda game: pick(game, right=game.question.id not in wrong)), GOLD)
    assert found.overall.accuracy == found.overall.accuracy_scored == pytest.approx(41 / 48)
    assert found.overall.agreement == 1.0
    assert found.overall.first_share == 0.5
    assert found.admitted and found.reasons == ()


def test_a_failing_judge_is_unscored_not_tied() -> None:
    found = audit(Scripted(lambda game: Verdict.of(game, "unscored", reason="HTTP 500")), GOLD)
    overall = found.overall
    assert overall.unscored == overall.n == len(GOLD)
    assert overall.accuracy == 0.0
    assert overall.win_rate is overall.agreement is overall.first_share is overall.accuracy_scored is None
    assert found.reasons == (
        "accuracy 0.00 < 0.70 on 48 labelled pairs",
        "unscored 48 of 48 pairs > 5 %, mostly because: HTTP 500",
    )


def test_unscored_counts_as_wrong_in_accuracy_and_not_at_all_in_agreement() -> None:
    # 20 pairs: 3 fail in one order, 1 splits, 16 are right in both. Calls: 40, of which 37 scored,
    # 3 + 1 + 32 right. Scored in both orders: 17, of which 16 agree.
    def decide(game: Game) -> Verdict:
        number = int(game.question.id[1:])
        if number < 3 and game.order == "ab":
            return Verdict.of(game, "unscored", reason="cut off")
        return Verdict.of(game, "first") if number == 3 else pick(game, right=True)

    found = audit(Scripted(decide), pairs(20))
    assert found.overall.accuracy == pytest.approx(36 / 40)
    assert found.overall.accuracy_scored == pytest.approx(36 / 37)
    assert found.overall.agreement == pytest.approx(16 / 17)
    assert found.overall.unscored == 3
    assert found.reasons == ("unscored 3 of 20 pairs > 5 %, mostly because: cut off",)


def test_exactly_at_the_thresholds_is_admitted() -> None:
    # 20 pairs: 14 right, 5 split (half right), 1 unscored (0): calls right 28 + 5 = 33 of 40.
    def decide(game: Game) -> Verdict:
        number = int(game.question.id[1:])
        if number == 0:
            return Verdict.of(game, "unscored", reason="cut off")
        return Verdict.of(game, "first") if number < 6 else pick(game, right=True)

    exact = AuditThresholds(accuracy=33 / 40, agreement=14 / 19, unscored=1 / 20)
    assert audit(Scripted(decide), pairs(20), exact).admitted
    for stricter in (
        replace(exact, accuracy=0.83),
        replace(exact, agreement=0.74),
        replace(exact, unscored=0.04),
    ):
        assert len(audit(Scripted(decide), pairs(20), stricter).reasons) == 1


def test_a_refusal_never_reads_as_if_the_threshold_was_met() -> None:
    # 139 of 200 right is 0.695, which would round to the threshold.
    found = audit(Scripted(lambda game: pick(game, right=int(game.question.id[1:]) < 139)), pairs(200))
    assert found.reasons == ("accuracy 0.69 < 0.70 on 200 labelled pairs",)


def test_a_tie_is_wrong_on_a_pair_with_a_right_side_and_settled_games_say_nothing_of_position() -> None:
    found = audit(Scripted(lambda game: Verdict.of(game, "tie")), pairs(10))
    assert (found.overall.accuracy, found.overall.agreement, found.overall.first_share) == (0.0, 1.0, None)
    empty = [Question("e", conversation("?"), "words", "", label="a")]
    settled = audit(Scripted(lambda game: Verdict.of(game, "first")), empty).overall
    assert (settled.accuracy, settled.first_share) == (1.0, None)


def test_groups_are_measured_apart() -> None:
    found = audit(Scripted(lambda game: pick(game, right=game.question.group == "natural")), GOLD)
    assert {name: figures.accuracy for name, figures in found.groups.items()} == {
        "adversarial": 0.0,
        "natural": 1.0,
    }
    assert found.overall.accuracy == pytest.approx(36 / 48)


def test_json_has_the_names_that_scripts_rely_on() -> None:
    found = json.loads(json.dumps(audit(Scripted(lambda game: pick(game, right=True)), GOLD).to_json()))
    assert (found["admitted"], found["reasons"], found["judge"]) == (True, [], "scripted")
    names = {"n", "win_rate", "agreement", "first_share", "flips_first", "flips_second", "unscored"}
    for figures in (found["overall"], found["groups"]["natural"], found["groups"]["adversarial"]):
        assert names | {"accuracy", "accuracy_scored"} <= set(figures)


def test_pairs_without_labels_are_refused() -> None:
    judge = Scripted(lambda game: Verdict.of(game, "first"))
    with pytest.raises(JudgeDataError, match="'p1' without a label"):
        audit(judge, [pairs(1)[0], replace(pairs(2)[1], label=None)])
    with pytest.raises(JudgeDataError, match="got none"):
        audit(judge, [])


def test_an_audit_does_not_depend_on_the_order_of_the_pairs() -> None:
    def decide(game: Game) -> Verdict:
        digest = hashlib.sha256(f"{game.question.id}{game.order}".encode()).digest()[0]
        return Verdict.of(game, "first" if digest % 2 else "second")

    assert audit(Scripted(decide), GOLD) == audit(Scripted(decide), GOLD[::-1])
