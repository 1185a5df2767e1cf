"""Tables for the terminal: a decision with its gates, and the list of Runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .store import RunRow

_STYLE = {
    "pass": "green",
    "fail": "bold red",
    "inconclusive": "yellow",
    "promote": "bold green",
    "reject": "bold red",
}


def show_summary(summary: Mapping[str, Any], run: Path, console: Console | None = None) -> None:
    """Prints a Run: what was compared, each gate with its interval, the decision with its reasons, what next."""
    console = console or Console(highlight=False)
    sides = f"{_plain(summary['baseline']['spec'])} → {_plain(summary['candidate']['spec'])}"
    console.print(_gate_table(summary["gates"], f"{sides}  ({summary['profile']})"))
    decision = summary["decision"]
    console.print(Text.assemble("Decision: ", (decision.upper(), _STYLE.get(decision, "bold yellow"))))
    for reason in summary["reasons"]:
        console.print(Text(f"  · {_plain(reason)}"))
    console.print(Text(f"Report: {run / 'report.html'}"), soft_wrap=True)
    console.print(Text(f"Next:   {_next_command(summary, run)}"), soft_wrap=True)


def show_runs(rows: Sequence[RunRow], results: Path) -> None:
    """Prints the index of Runs, newest first."""
    console = Console(highlight=False)
    if not rows:
        console.print(f"No Runs in {results} yet; make one with: harness compare BASE CANDIDATE")
        return
    table = Table("run", "decision", "profile", "baseline", "candidate", box=None, pad_edge=False)
    for row in rows:
        decision = Text(row.decision, _STYLE.get(row.decision, "yellow"))
        table.add_row(row.id, decision, row.profile, _plain(row.baseline), _plain(row.candidate))
    console.print(table)


def _gate_table(gates: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading, justify in [("gate", "left"), ("result", "left"), ("baseline", "right"), ("candidate", "right")]:
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for heading in ("difference", "95 % interval", "could show", "n"):
        table.add_column(heading, justify="right")
    for gate in gates:
        status = gate["status"] + (" (warn)" if gate["severity"] == "warn" else "")
        table.add_row(
            _plain(gate["metric"]),
            Text(status, _STYLE[gate["status"]] if gate["severity"] == "block" else "dim"),
            _share(gate["baseline"]),
            _share(gate["candidate"]),
            _points(gate["difference"]),
            _interval(gate),
            _share(gate.get("detectable")),
            str(gate["n"]),
        )
    return table


def _next_command(summary: Mapping[str, Any], run: Path) -> str:
    if summary["decision"] == "promote":
        return f"harness runs show {run.name}"
    return f"open {run / 'report.html'} and read the completions side by side"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f}"


def _interval(gate: Mapping[str, Any]) -> str:
    if gate["low"] is None:
        return "–"
    return f"[{100 * gate['low']:+.1f}, {100 * gate['high']:+.1f}]"


def _plain(text: str) -> str:
    """Without control characters: a name must not steer the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
