"""The tax as a section of a comparison: groups as lm-eval weights them, passages as clusters, tasks of one's own."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.benchmarks import PairedDocument
from harness.checkpoints import resolve
from harness.cli import run
from harness.comparison import Comparison
from harness.settings import Settings
from harness.store import Store

pytestmark = pytest.mark.usefixtures("own_cache")


def document(task: str, number: int, candidate: float) -> PairedDocument:
    return PairedDocument(
        task=task,
        metric="acc",
        filter="none",
        doc_hash=f"{task} {number}",
        prompt_hash="",
        primary=True,
        prompt="",
        choices=(),
        gold="",
        baseline=1.0,
        candidate=candidate,
        baseline_answer="",
        candidate_answer="",
        cluster=f"passage {number // 2}",
    )


def test_groups_and_clusters(tmp_path: Path, tiny_model: Path) -> None:
    checkpoint = resolve(str(tiny_model))
    tasks = [SimpleNamespace(task_name=name) for name in ("large", "small")]
    weighted = SimpleNamespace(metric="acc", filter_list=None, weight_by_size=False)
    group = SimpleNamespace(name="both", get_all_tasks=lambda: tasks, aggregate_metric_list=[weighted])
    with Store(tmp_path / "results") as store:
        comparison = Comparison(checkpoint, checkpoint, Settings(), store)
        # 12 documents of which 3 are lost, 4 of which none is.
        large = [document("large", i, float(i > 2)) for i in range(12)]
        comparison.documents = large + [document("small", i, 1.0) for i in range(4)]
        comparison.tasks = {"tasks": {}, "groups": {"both": group}}
        comparison.measure("tax")
    found = comparison.estimates
    assert set(found) == {"tax.pooled", "tax.large.acc", "tax.small.acc", "tax.both.acc"}
    assert found["tax.pooled"].value == pytest.approx(-3 / 16)
    assert found["tax.both.acc"].value == pytest.approx(-3 / 12 / 2)
    assert (found["tax.large.acc"].n, found["tax.large.acc"].clusters) == (12, 6)


def test_a_profile_may_name_tasks_of_ones_own(workplace: Path, task_folder: Path, tiny_model: Path) -> None:
    gates = workplace / "gates.toml"
    gates.write_text(gates.read_text().replace("harness_commonsense", "my_group"))
    options = ["--profile", "small", "--gates", "gates.toml", "--include-path", str(task_folder), "--json", "out.json"]
    run(["compare", str(tiny_model), str(tiny_model), *options])
    found = json.loads((workplace / "out.json").read_text())
    assert {"tax.my_colours.acc", "tax.my_words.exact_match"} < set(found["estimates"])
    assert f"--include-path {task_folder}" in found["command"]
