"""What a training leaves behind: the output folder, training.json and metrics.jsonl."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .encoding import EncodedRows
from .errors import SettingsError

if TYPE_CHECKING:
    from .train import TrainingSettings

RECORD = "training.json"
METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Dataset:
    """Preference pairs as one side of a training saw them."""

    path: Path
    sha256: str
    lines: tuple[int, ...]
    """Lines of `path` that belong to this side."""
    encoded: EncodedRows


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_output(output: Path) -> None:
    """Raise SettingsError if `output` holds anything but an earlier training."""
    if output.exists() and not output.is_dir():
        raise SettingsError(f"output {output} is a file; name a folder")
    parent = next(folder for folder in output.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise SettingsError(f"output {output} cannot be made in {parent}; name another folder")
    if output.is_dir() and any(output.iterdir()) and not (output / RECORD).is_file():
        raise SettingsError(f"output {output} holds other files, and no earlier training; name another folder")


@contextmanager
def finished_folder(output: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `output` when the block ends well and vanishes when it does not."""
    output.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        folder = staging / "new"
        folder.mkdir()
        yield folder
        if output.exists():
            output.rename(staging / "old")
        folder.rename(output)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_records(
    folder: Path,
    settings: "TrainingSettings",
    data: Dataset,
    eval_data: Dataset | None,
    history: Sequence[dict[str, float]],
) -> None:
    """Write training.json and metrics.jsonl (one row a logged step)."""
    record: dict[str, Any] = {
        "schema": 1,
        "objective": settings.objective,
        "model": settings.model_spec,
        "model_fingerprint": settings.model_fingerprint,
        "data": _data_record(data),
    }
    if eval_data is not None:
        record["eval_data"] = _data_record(eval_data)
        if settings.eval_fraction is not None:
            # The seed is the training's; the lines say which pairs no step has seen.
            record["eval_data"] |= {"fraction": settings.eval_fraction, "lines": list(eval_data.lines)}
    record |= {"settings": _plain(settings), "versions": _versions(), "seed": settings.seed}
    (folder / RECORD).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    rows = (json.dumps(row, allow_nan=False) + "\n" for row in history)
    (folder / METRICS).write_text("".join(rows), encoding="utf-8")
    # PEFT leaves an empty form of a model card that names a path of this machine.
    (folder / "README.md").unlink(missing_ok=True)


def _data_record(data: Dataset) -> dict[str, Any]:
    encoded = data.encoded
    counts = {"rows": len(encoded.rows), "dropped": encoded.dropped, "truncated": encoded.truncated}
    return {"path": str(data.path), "sha256": data.sha256, **counts}


def _plain(settings: "TrainingSettings") -> dict[str, Any]:
    return {name: str(item) if isinstance(item, Path) else item for name, item in asdict(settings).items()}


def _versions() -> dict[str, str]:
    packages = ("alignment-harness", "torch", "transformers", "peft", "accelerate")
    return {package: found for package in packages if (found := _version(package))}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree
        return None
