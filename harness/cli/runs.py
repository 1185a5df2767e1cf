"""`harness runs list|show`."""

from pathlib import Path
from typing import Annotated

import typer

runs = typer.Typer(help="Recorded comparisons.", no_args_is_help=True, rich_markup_mode=None)

JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the same as JSON to this file.")]


@runs.command("list")
def list_runs(json: JsonOption = None) -> None:
    """List the Runs, newest first."""
    from dataclasses import asdict

    from ..folders import results_folder
    from ..store import Store
    from ..summary import show_runs
    from .output import write_json

    with Store(results_folder()) as store:
        rows = store.runs()
    show_runs(rows, results_folder())
    if json:
        write_json(json, {"runs": [asdict(row) for row in rows]})


@runs.command("show")
def show(
    run: Annotated[str, typer.Argument(help="A Run: its id, a unique beginning of it, or its folder.")],
    json: JsonOption = None,
) -> None:
    """Show one Run: decision, gates, and where its report is."""
    from ..folders import results_folder
    from ..runs import find_run, read_run
    from ..summary import show_summary
    from .output import write_json

    summary = read_run(run, results_folder())
    show_summary(summary, find_run(run, results_folder()))
    if json:
        write_json(json, summary)
