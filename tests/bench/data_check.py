"""`harness data check`: seconds and memory on many pairs, and what it finds of planted faults.

    python -m tests.bench.data_check [--pairs N] [--data FILE]
    python -m tests.bench.data_check --planted

The first makes N pairs (100,000) of ordinary length, or reads FILE, and runs the command in a process of its own. The
second plants each kind of fault alone in 1 % of 5,000 clean rows. Exits with 1 where a target is missed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.preference_data.conftest import PLANTS, make_rows, plant

SECONDS, GIGABYTES, PRECISION = 60, 2.0, 0.9


def main() -> int:
    """Parses the command line and runs one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--planted", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return planted(Path(folder)) if options.planted else speed(Path(folder), options.pairs, options.data)


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def check(path: Path, out: Path) -> tuple[float, dict[str, dict[str, object]]]:
    """Seconds of the command, and its checks by name."""
    start = time.perf_counter()
    command = [str(Path(sys.executable).with_name("harness")), "data", "check", str(path), "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return seconds, {check["name"]: check for check in json.loads(out.read_text())["checks"]}


def speed(folder: Path, pairs: int, data: Path | None) -> int:
    path = data or write(folder / "pairs.jsonl", make_rows(pairs))
    seconds, checks = check(path, folder / "out.json")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = used.ru_maxrss / 2**20
    size = f"{checks['rows']['detail']}, {path.stat().st_size / 1e6:.0f} MB"
    cpu = used.ru_utime + used.ru_stime
    Console().print(f"{size}: {seconds:.1f} s ({cpu:.1f} s of one core), {peak:.2f} GB at most")
    return int(data is None and (seconds > SECONDS or peak > GIGABYTES))


def planted(folder: Path) -> int:
    clean = make_rows(5000)
    table = Table("planted in 1 %", "status", "found", "precision", "recall", box=None)
    missed = False
    for kind in PLANTS:
        rows, where = plant(clean, [kind], 0.01)
        _, checks = check(write(folder / "pairs.jsonl", rows), folder / "out.json")
        found, right = set(checks[kind]["rows"]), where[kind]  # type: ignore[call-overload]
        precision, recall = (len(found & right) / max(len(of), 1) for of in (found, right))
        status = str(checks[kind]["status"])
        missed |= status == "ok" or precision < PRECISION or recall < PRECISION
        table.add_row(kind, status, str(len(found)), f"{precision:.2f}", f"{recall:.2f}")
    _, checks = check(write(folder / "pairs.jsonl", clean), folder / "out.json")
    blamed = [name for name, found in checks.items() if found["status"] != "ok"]
    table.add_row("nothing", ", ".join(blamed) or "ok", "0", "", "")
    Console().print(table)
    return int(missed or any(checks[name]["status"] == "problem" for name in blamed))


if __name__ == "__main__":
    sys.exit(main())
