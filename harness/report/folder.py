"""A Run folder as the report reads it. Only run.json must exist; every other file adds a section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..fingerprint import read_json_object
from ..trainers.errors import DataError
from ..trainers.jsonl import read_jsonl

Json = Mapping[str, Any]

_SCHEMA = 1


@dataclass(frozen=True)
class RunFolder:
    """The files of one Run; a file that is missing or empty is an empty sequence."""

    summary: Json
    """run.json."""
    completions: Sequence[Json]
    findings: Sequence[Json]
    verdicts: Sequence[Json]
    benchmarks: Sequence[Json]
    pairs: Sequence[Json]
    training: Sequence[Json]
    """The candidate's metrics.jsonl up to the first line that cannot be read."""
    training_note: str = ""
    """Why `training` ends early; empty if it does not."""


def read_folder(folder: Path) -> RunFolder:
    """Reads a Run folder. Raises UsageError for run.json and DataError (file:line) for the rows."""
    training, note = _read_training(folder / "training" / "metrics.jsonl")
    return RunFolder(
        summary=_read_summary(folder / "run.json"),
        completions=_read_rows(folder / "completions.jsonl"),
        findings=_read_rows(folder / "findings.jsonl"),
        verdicts=_read_rows(folder / "verdicts.jsonl"),
        benchmarks=_read_rows(folder / "benchmarks.jsonl"),
        pairs=_read_rows(folder / "pairs.jsonl"),
        training=training,
        training_note=note,
    )


def _read_summary(path: Path) -> Json:
    summary = read_json_object(path)
    if summary.get("schema") != _SCHEMA:
        found = summary.get("schema")
        raise UsageError(f"{path}: expected schema {_SCHEMA}, got {found!r}; read it with the harness that wrote it")
    missing = sorted({"run", "decision", "baseline", "candidate", "gates"} - summary.keys())
    if missing:
        raise UsageError(f"{path}: {', '.join(map(repr, missing))} missing; is this the run.json of a Run?")
    return summary


def _read_rows(path: Path) -> list[Json]:
    if not path.exists() or path.stat().st_size == 0:
        return []
    return [row.value for row in read_jsonl(path)]


def _read_training(path: Path) -> tuple[list[Json], str]:
    # A training that ended in NaN is the one whose report matters most: keep what came before.
    rows: list[Json] = []
    if path.exists() and path.stat().st_size:
        try:
            rows.extend(row.value for row in read_jsonl(path))
        except DataError as error:
            return rows, str(error).removeprefix(f"{path.parent}/")
    return rows, ""
