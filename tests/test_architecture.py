"""Rules of ARCHITECTURE.md that a machine can check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"harness", "judges", "trainers", "suites"}


def imports(file: Path) -> set[str]:
    """Top-level names that a file imports; relative imports count as their own package ('.') or as '..'."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level or (node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", ["judges", "trainers"])
def test_leaves_import_nothing_of_ours(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        depth = len(file.relative_to(ROOT / package).parts)
        assert not imports(file) & OURS, file
        assert not any(name.strip(".") == "" and len(name) > depth for name in imports(file)), file


def test_nothing_imports_suites_and_suites_use_only_fixtures() -> None:
    for file in (ROOT / "harness").rglob("*.py"):
        assert "suites" not in imports(file), file
    for file in (ROOT / "suites").glob("test_*.py"):
        assert imports(file) <= {"pytest"}, file


@pytest.mark.parametrize("module", ["harness", "harness.cli", "harness.plugin"])
def test_light_at_import(module: str) -> None:
    heavy = {
        "torch",
        "transformers",
        "peft",
        "lm_eval",
        "matplotlib",
        "scipy",
        "openai",
        "anthropic",
        "numpy",
        "datasets",
    }
    code = f"import sys, {module}; print(*(set(sys.modules) & {heavy!r}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_modules_stay_short() -> None:
    for package in ("harness", "judges", "trainers"):
        for file in (ROOT / package).rglob("*.py"):
            assert len(file.read_text().split("\n")) <= 420, file
