"""Tables for the terminal: a decision with its gates, and the list of Runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .store import RunRow

if TYPE_CHECKING:
    from .comparison import Outcome
    from .trainers.train import TrainingResult

_STYLE = {
    "pass": "green",
    "fail": "bold red",
    "inconclusive": "yellow",
    "promote": "bold green",
    "reject": "bold red",
}

_LEGEND = """\
sides: baseline→candidate in %; difference: in points, with its interval;
shows: the smallest difference that so many items would show; dim: only warns"""


def show_summary(summary: Mapping[str, Any], run: Path, console: Console | None = None) -> None:
    """Prints a Run: what was compared, each gate with its interval, the decision with its reasons, what next."""
    console = console or Console(highlight=False)
    sides = f"{_plain(summary['baseline']['spec'])} → {_plain(summary['candidate']['spec'])}"
    console.print(_gate_table(summary["gates"], f"{sides}  ({summary['profile']})"))
    console.print(Text(_LEGEND, "dim"))
    decision = summary["decision"]
    console.print(Text.assemble("Decision: ", (decision.upper(), _STYLE.get(decision, "bold yellow"))))
    for reason in summary["reasons"]:
        console.print(Text(f"  · {_plain(reason)}"), soft_wrap=True)
    console.print(Text(f"Report: {run / 'report.html'}"), soft_wrap=True)
    console.print(Text(f"Next:   {_next_command(summary, run)}"), soft_wrap=True)


def show_outcome(outcome: "Outcome") -> None:
    """Prints a comparison that has just finished."""
    show_summary(outcome.summary, outcome.run)


def show_decisions(outcomes: Mapping[str, "Outcome"]) -> None:
    """Prints one line per named comparison: its decision and where to read why."""
    console = Console(highlight=False)
    console.print()
    for name, outcome in outcomes.items():
        decision = outcome.summary["decision"]
        report = outcome.run / "report.html"
        console.print(
            Text.assemble(f"{name:>10}: ", (decision, _STYLE.get(decision, "bold yellow")), f"  {report}"),
            soft_wrap=True,
        )


def show_training(result: "TrainingResult", next_command: str) -> None:
    """Prints what a training did and the command that compares its checkpoint with its start."""
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("steps", f"{result.steps} in {result.seconds:.1f} s")
    table.add_row("pairs", f"{result.rows} used, {result.dropped} dropped, {result.truncated} truncated")
    for name, value in result.metrics.items():
        table.add_row(name, f"{value:.4g}")
    console.print(table)
    console.print(Text(f"Checkpoint: {result.output}"), soft_wrap=True)
    console.print(Text(f"Next:       {next_command}"), soft_wrap=True)


def show_runs(rows: Sequence[RunRow], results: Path) -> None:
    """Prints the index of Runs, newest first."""
    console = Console(highlight=False)
    if not rows:
        console.print(f"No Runs in {results} yet; make one with: harness compare BASE CANDIDATE")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("run", "decision", "profile"):
        table.add_column(heading, no_wrap=True)
    for heading in ("baseline", "candidate"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        decision = Text(row.decision, _STYLE.get(row.decision, "yellow"))
        table.add_row(row.id, decision, row.profile, _plain(row.baseline), _plain(row.candidate))
    console.print(table)


def _gate_table(gates: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("gate", no_wrap=True)
    table.add_column("result", no_wrap=True)
    for heading in ("sides", "difference", "shows", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for gate in sorted(gates, key=lambda gate: gate["severity"]):
        blocking = gate["severity"] == "block"
        table.add_row(
            Text(_plain(gate["metric"]), "" if blocking else "dim"),
            Text(gate["status"], _STYLE[gate["status"]] if blocking else "dim"),
            *(Text(cell, "" if blocking else "dim") for cell in _numbers(gate)),
        )
    return table


def _numbers(gate: Mapping[str, Any]) -> tuple[str, str, str, str]:
    if gate["low"] is None:
        return "–", "–", "–", str(gate["n"])
    interval = f"[{100 * gate['low']:+.1f},{100 * gate['high']:+.1f}]"
    shows = "–" if gate["detectable"] is None else f"{100 * gate['detectable']:.1f}"
    if gate["baseline"] is None:
        return f"{100 * gate['candidate']:.1f}", interval.replace("+", ""), shows, str(gate["n"])
    sides = f"{100 * gate['baseline']:.1f}→{100 * gate['candidate']:.1f}"
    return sides, f"{100 * gate['difference']:+.1f} {interval}", shows, str(gate["n"])


def _next_command(summary: Mapping[str, Any], run: Path) -> str:
    if summary["decision"] == "promote":
        return f"pytest suites/ --checkpoint {_plain(summary['candidate']['spec'])}    (the same gates, in CI)"
    return f"open {run / 'report.html'} and read the completions side by side"


def _plain(text: str) -> str:
    """Without control characters: a name must not steer the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
