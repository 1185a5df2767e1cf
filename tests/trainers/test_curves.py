"""curves.svg: the panels that the rows have values for, guard marks, and the same bytes from the same rows."""

import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from harness.trainers.curves import write_curves

Rows = list[dict[str, Any]]
REPORT = {
    "tripped": {"step": 5, "check": "explosion"},
    "restored_step": 0,
    "warnings": [{"step": 3, "check": "drift"}],
}


def training(steps: int = 6, **more: float) -> Rows:
    pairs = {"rewards/margins": 0.1, "rewards/chosen": 0.2, "rewards/rejected": 0.1, "rewards/accuracies": 0.75}
    return [{"step": i, "loss": 0.7 - i / 100} | pairs | more for i in range(1, steps + 1)]


def texts(path: Path) -> list[str]:
    """What is written in the drawing: matplotlib keeps it as a comment beside the outlines."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    root = ET.parse(path, parser).getroot()
    return [(element.text or "").strip() for element in root.iter(ET.Comment)]


def test_panels_follow_the_data(tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    write_curves(
        training(**{"logps/chosen": -90.0, "logps/rejected": -80.0}), path, objective="dpo", first_loss=math.log(2)
    )
    shown = texts(path)
    titles = ["dpo, 6 steps", "Loss", "Margin: chosen − rejected reward", "Rewards", "Share of pairs told apart"]
    assert set(titles) < set(shown)
    assert "Log-probability of the responses, nats" in shown
    assert "nothing learned, 0.693" in shown
    assert shown.count("chosen") == 2
    assert "evaluation" not in shown
    write_curves([{"step": i, "loss": 2.0} for i in (1, 2)], path, objective="sft")
    assert {"Loss", "sft, 2 steps"} < set(texts(path))
    assert "Rewards" not in texts(path)
    assert not [text for text in texts(path) if "nothing learned" in text]


def test_kl_stands_for_the_log_probabilities(tmp_path: Path) -> None:
    write_curves(training(kl=0.3), tmp_path / "curves.svg", objective="kto", first_loss=0.5)
    shown = texts(tmp_path / "curves.svg")
    assert "KL to the reference, nats" in shown
    assert "nothing learned, 0.5" in shown


def test_evaluations_are_drawn_beside_the_training(tmp_path: Path) -> None:
    rows = [*training(), {"step": 6, "eval_loss": 0.66, "eval_rewards/margins": 0.05}]
    write_curves(rows, tmp_path / "curves.svg", objective="dpo")
    assert texts(tmp_path / "curves.svg").count("evaluation") == 2


def test_the_guards_marks_are_named(tmp_path: Path) -> None:
    write_curves(training(), tmp_path / "curves.svg", objective="dpo", guard=REPORT)
    shown = texts(tmp_path / "curves.svg")
    assert {"warning: drift", "weights of step 0 restored", "guard at step 5: explosion"} < set(shown)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = training(steps=60)  # enough for a running median
    for name in ("one.svg", "two.svg"):
        write_curves(rows, tmp_path / name, objective="dpo", guard=REPORT)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.svg").stat().st_size < 200_000
    write_curves(rows[:-1], tmp_path / "two.svg", objective="dpo", guard=REPORT)
    assert (tmp_path / "one.svg").read_bytes() != (tmp_path / "two.svg").read_bytes()


def test_one_row_and_gaps_are_enough(tmp_path: Path) -> None:
    rows: Rows = [{"step": 1, "loss": 0.5, "rewards/margins": 0.1}, {"step": 2, "loss": 0.5, "rewards/margins": None}]
    write_curves(rows[:1], tmp_path / "curves.svg", objective="kto")
    write_curves(rows, tmp_path / "curves.svg", objective="kto")
    rows.append({"step": 3, "loss": math.nan})
    write_curves(rows, tmp_path / "curves.svg", objective="kto")
    with pytest.raises(ValueError, match="at least one row with a loss"):
        write_curves([{"step": 3, "train_runtime": 1.0}], tmp_path / "curves.svg", objective="dpo")
