"""Runs: one folder per recorded comparison, with everything needed to read and repeat it."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import UsageError
from .fingerprint import read_json_object
from .items import content_hash
from .report import write_report
from .store import RunRow, Store

SCHEMA = 1
Rows = Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class RunFiles:
    """What goes into a Run folder."""

    summary: Mapping[str, Any]
    """run.json, without "schema", "run" and "created", which are given here."""
    rows: Mapping[str, Rows]
    """Name of a JSONL file (without its ending) -> its rows."""
    junit: str
    """junit.xml."""
    training: Path | None = None
    """The candidate's metrics.jsonl, copied for the report's curves."""


def write_run(files: RunFiles, results: Path, store: Store) -> Path:
    """Writes `results/<run-id>/` whole or not at all, with its report, and enters it into the index."""
    created = datetime.now(UTC)
    identity = content_hash([created.isoformat(), os.getpid(), files.summary["candidate"]])
    run_id = f"{created:%Y%m%d-%H%M%S}-{identity[:6]}"
    summary = {
        "schema": SCHEMA,
        "run": run_id,
        "created": created.isoformat(timespec="seconds"),
        **files.summary,
    }
    results.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=results, prefix=f".{run_id}-"))
    try:
        _fill(temporary, files, summary)
        temporary.chmod(0o755)
        folder = temporary.rename(results / run_id)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    store.add_run(_index_row(summary, run_id))
    return folder


def read_run(run: str, results: Path) -> dict[str, Any]:
    """run.json of a Run, named by its id, a unique beginning of it, or its folder. Raises UsageError."""
    summary = read_json_object(find_run(run, results) / "run.json")
    if summary.get("schema") != SCHEMA:
        raise UsageError(f"{run}: run.json has schema {summary.get('schema')!r}, this harness reads {SCHEMA}")
    return summary


def find_run(run: str, results: Path) -> Path:
    """The folder of a Run. Raises UsageError where there is none, or more than one, of that name."""
    if (Path(run) / "run.json").is_file():
        return Path(run)
    folders = [file.parent for file in results.glob("*/run.json")]
    found = [folder for folder in folders if run and folder.name.startswith(run)]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} Runs begin so" if found else f"no such Run in {results}"
    raise UsageError(f"{run}: {problem}; `harness runs list` names them")


def _fill(folder: Path, files: RunFiles, summary: Mapping[str, Any]) -> None:
    for name, rows in files.rows.items():
        with (folder / f"{name}.jsonl").open("w", encoding="ascii") as file:
            file.writelines(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    if files.training:
        (folder / "training").mkdir()
        shutil.copyfile(files.training, folder / "training" / "metrics.jsonl")
    (folder / "junit.xml").write_text(files.junit, encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="ascii")
    write_report(folder)


def _index_row(summary: Mapping[str, Any], path: str) -> RunRow:
    return RunRow(
        id=summary["run"],
        created=summary["created"],
        decision=summary["decision"],
        profile=summary["profile"],
        baseline=summary["baseline"]["spec"],
        candidate=summary["candidate"]["spec"],
        path=path,
    )
