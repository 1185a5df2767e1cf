"""The pytest plugin, in processes of its own: the shipped suites on tiny models and a small profile."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

SUITES = Path(__file__).resolve().parents[1] / "suites"


def pytest_in(folder: Path, *arguments: str, suite: Path = SUITES) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HARNESS_RESULTS": str(folder / "results"), "HARNESS_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "pytest", str(suite), "-p", "no:cacheprovider", "-c", os.devnull, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def small(model: Path, *arguments: str) -> list[str]:
    options = ["--harness-profile", "small", "--harness-gates", "gates.toml"]
    return ["--checkpoint", str(model), *options, *arguments]


def runs_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(file.read_text()) for file in sorted((folder / "results").glob("*/run.json"))]


def test_an_unchanged_model_fails_only_where_it_must_show_a_gain(workplace: Path, tiny_model: Path) -> None:
    done = pytest_in(workplace, *small(tiny_model, "--baseline", str(tiny_model)))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 7 passed, 2 skipped" in done.stdout
    assert "INCONCLUSIVE: pair accuracy is 50 %" in done.stdout
    assert "Decision: INCONCLUSIVE" in done.stdout
    assert "GateWarning: INCONCLUSIVE" in done.stdout  # the single task only warns
    (run,) = runs_of(workplace)
    assert run["decision"] == "inconclusive"
    junit = ElementTree.parse(next((workplace / "results").glob("*/junit.xml"))).getroot()
    assert [p.get("value") for p in junit.iter("property")] == ["inconclusive"]


def test_inconclusive_can_skip_and_a_second_run_asks_nothing(workplace: Path, tiny_model: Path) -> None:
    arguments = small(tiny_model, "--baseline", str(tiny_model), "--inconclusive=skip")
    assert pytest_in(workplace, *arguments).returncode == 0
    assert pytest_in(workplace, *arguments).returncode == 0
    misses = [run["cache"]["misses"] for run in runs_of(workplace)]  # type: ignore[index]
    assert len(misses) == 2 and min(misses) == 0 < max(misses)


def test_an_adapter_needs_no_baseline_and_only_what_is_asked_is_measured(
    workplace: Path, tiny_model: Path, make_tiny_adapter: Callable[..., Path]
) -> None:
    adapter = make_tiny_adapter(tiny_model)
    pytest_in(workplace, *small(adapter), suite=SUITES / "test_alignment_tax.py")
    (run,) = runs_of(workplace)
    assert set(run["estimates"]) == {"tax.pooled", "tax.harness_commonsense.acc"}  # type: ignore[call-overload]
    assert run["decision"] != "promote", "what a gate asks for and nobody measured is never a pass"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--checkpoint", "nothing"], "nothing: no such checkpoint"),
        (["--checkpoint", "{tiny}"], "name the baseline"),
        (["--checkpoint", "{tiny}", "--baseline", "{tiny}", "--harness-profile", "huge"], "huge"),
        (["--checkpoint", "{tiny}", "--baseline", "{tiny}", "--harness-pairs", "missing.jsonl"], "missing.jsonl"),
        (["--checkpoint"], "expected one argument"),
        (["--checkpoint", ""], "no such checkpoint"),
        (["--checkpoint", "{tiny}", "-n", "2"], "does not work with -n"),
    ],
)
def test_a_mistake_is_a_usage_error_in_one_line(
    workplace: Path, tiny_model: Path, arguments: list[str], expected: str
) -> None:
    done = pytest_in(workplace, *(argument.replace("{tiny}", str(tiny_model)) for argument in arguments))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert expected in done.stderr and "Traceback" not in done.stderr + done.stdout


def test_without_checkpoint_nothing_passes(workplace: Path) -> None:
    done = pytest_in(workplace)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR and "need --checkpoint SPEC" in done.stdout
    assert not (workplace / "results").exists()


def test_an_unrelated_suite_sees_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "trainers.py").write_text("MINE = True")
    (tmp_path / "test_own.py").write_text(
        "import sys, trainers\ndef test(): assert trainers.MINE and 'torch' not in sys.modules\n"
    )
    done = pytest_in(tmp_path, suite=tmp_path)
    assert done.returncode == 0 and "Decision" not in done.stdout and "1 passed" in done.stdout
