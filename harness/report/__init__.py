"""report.html from the files of a Run folder: one page, no network, no script.

    run.json, *.jsonl ──► folder.py ──► gates.py, sections.py, answers.py ──► templates/ ──► report.html

Everything in a Run but its numbers was written by a model, a data set or a user. The page therefore
escapes every value (`autoescape=True`), shows control characters instead of obeying them (`visible`, applied
to every value by `finalize`), takes no address from data, and forbids scripts and requests by a policy of its
own (CSP), which admits one style sheet by its digest.
"""

import base64
import hashlib
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from . import sections
from .answers import answers
from .folder import RunFolder, read_folder
from .gates import gate_rows
from .heading import heading, provenance
from .text import visible

__all__ = ["write_report"]


def write_report(run_dir: Path) -> Path:
    """Writes `report.html` into a Run folder from the folder's other files, and returns its path.

    Raises UsageError for a run.json that is missing or of another schema, DataError (file:line) for a row.
    """
    page = _render(read_folder(run_dir))
    target = run_dir / "report.html"
    with tempfile.NamedTemporaryFile("wb", dir=run_dir, prefix=".report-", delete=False) as file:
        file.write(page.encode("utf-8", errors="replace"))
    Path(file.name).chmod(0o644)  # temporary files are private, reports are shown around
    return Path(file.name).replace(target)


def _render(folder: RunFolder) -> str:
    style = (files(__package__) / "templates" / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    gates = gate_rows(folder.summary["gates"])
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            style=Markup(style),
            style_digest=digest,
            heading=heading(folder.summary, gates),
            gates=gates,
            pathologies=sections.pathologies(folder),
            tasks=sections.tasks(folder),
            pairs=sections.pairs(folder),
            judge=sections.judge(folder),
            curves=sections.training(folder),
            training_note=folder.training_note,
            answers=answers(folder),
            provenance=provenance(folder.summary),
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("harness.report"),
        # Not select_autoescape(): it goes by the file's ending and would leave .j2 files unescaped.
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
