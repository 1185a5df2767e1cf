"""The report of a Run of 2,000 prompts and 57 benchmark tasks: its size, how fast it opens and filters.

    python -m tests.bench.report [--prompts N] [--keep FOLDER]

Needs Chromium for the last two. Exits with 1 where a figure misses its limit. About ten seconds.
"""

import argparse
import base64
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.gates import judge_gates, load_profile
from harness.report import write_report
from harness.statistics import mean_estimate, paired_estimate

Json = dict[str, Any]

_TEXT = """the model answer of a river and its long bridge in the morning light where people cross <b>slowly</b> & talk
about what they saw at the market: bread, apples, 42 ways to bake, größer als zuvor, and code like x < y"""
_WORDS = _TEXT.split()
_DETECTORS = ("sycophancy", "verbosity", "repetition", "evasion")
_DRIVER = """
addEventListener("load", () => {
  void document.body.offsetHeight;
  const times = { open: performance.now() };
  const form = document.getElementById("filters");
  const change = (name, value) => {
    const begun = performance.now();
    form.elements[name].value = value;
    form.dispatchEvent(new Event("input", { bubbles: true }));
    void document.body.offsetHeight;
    return performance.now() - begun;
  };
  const typed = (name) => change("q", name);
  times["first search"] = typed("b");
  times.search = Math.max(...["br", "bri", "bridge in", "no such words", ""].map(typed));
  times.outcome = Math.max(...["loss", "win", ""].map((value) => change("outcome", value)));
  times.finding = Math.max(...["new", "gone:evasion", "none", ""].map((value) => change("finding", value)));
  times.category = Math.max(...["writing", ""].map((value) => change("category", value)));
  document.documentElement.setAttribute("data-times", JSON.stringify(times));
});
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--keep", type=Path, help="leave the Run in this folder")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "run"
        folder.mkdir(parents=True, exist_ok=True)
        write_run(folder, options.prompts)
        begun = time.perf_counter()
        page = write_report(folder)
        rows = [("written", time.perf_counter() - begun, "s", 5.0), ("size", page.stat().st_size / 1e6, "MB", 6.0)]
        rows += browser_rows(page, Path(temporary))
    table = Table("", "measured", "limit", title=f"report of {options.prompts} prompts", title_justify="left", box=None)
    for name, measured, unit, limit in rows:
        table.add_row(name, f"{measured:.3g} {unit}", f"{limit:g} {unit}", style="" if measured < limit else "bold red")
    Console().print(table)
    return int(any(measured >= limit for _, measured, _, limit in rows))


def browser_rows(page: Path, folder: Path) -> Iterator[tuple[str, float, str, float]]:
    """What a script inside the page measures: navigation to laid out, and the slowest change of each filter."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        Console(stderr=True).print("chromium is not installed: size only")
        return
    timed = folder / "timed.html"
    timed.write_text(driven(page.read_text(encoding="utf-8"), _DRIVER), encoding="utf-8")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1280,900"]
    command += [f"--user-data-dir={folder / 'profile'}", "--dump-dom", timed.as_uri()]
    document = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    match = re.search(r'data-times="([^"]*)"', document)
    if match is None:
        raise SystemExit("the page's script did not come to its end")
    times = json.loads(match[1].replace("&quot;", '"'))
    yield "open", times.pop("open") / 1000, "s", 2.0
    yield from ((name, milliseconds, "ms", 100.0) for name, milliseconds in times.items())


def driven(page: str, script: str) -> str:
    """The page with one more script, which its policy is made to admit."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    admitted = page.replace("script-src 'sha256-", f"script-src 'sha256-{digest}' 'sha256-", 1)
    return admitted.replace("</body>", f"<script>{script}</script></body>")


def write_run(folder: Path, prompts: int) -> None:
    """A Run with answers of some 150 words, a judge that gives its reasons, and some findings."""
    rng = random.Random(0)
    completions, findings, verdicts = [], [], []
    for number in range(prompts):
        key = hashlib.sha256(str(number).encode()).hexdigest()
        shared = {"prompt_id": f"p-{number:04d}", "prompt_hash": key}
        category = rng.choice(["facts", "writing", "code", "help"])
        asked = [{"role": "user", "content": text(rng, 25)}]
        for side in ("baseline", "candidate"):
            answer = text(rng, rng.randint(80, 220))
            completions.append(
                {"side": side, "category": category, "messages": asked, "text": answer, "tokens": 200}
                | {"finish_reason": "eos"}
                | shared
            )
            for detector in _DETECTORS:
                if rng.random() < (0.02 if side == "baseline" else 0.06):
                    found = {"detector": detector, "score": 1.0, "span": [0, 60], "reason": "opens with praise"}
                    findings.append(shared | {"side": side} | found)
        for order in ("ab", "ba"):
            said = {"order": order, "verdict": rng.choice(["first", "first", "second", "tie"]), "raw": text(rng, 60)}
            verdicts.append(shared | said)
    hashes = [row["prompt_hash"] for row in completions if row["side"] == "baseline"]
    write_rows(folder, {"completions": completions, "findings": findings, "verdicts": verdicts})
    write_rows(folder, {"benchmarks": documents(rng)})
    (folder / "run.json").write_text(json.dumps(summary(hashes, findings, verdicts)), encoding="ascii")


def summary(hashes: list[str], findings: list[Json], verdicts: list[Json]) -> Json:
    """run.json."""
    flagged = {(row["side"], row["detector"], row["prompt_hash"]) for row in findings}
    estimates = {
        f"pathology.{name}": paired_estimate(
            *([(side, name, key) in flagged for key in hashes] for side in ("baseline", "candidate"))
        )
        for name in _DETECTORS
    }
    estimates["preference.win_rate"] = mean_estimate([float(row["verdict"] == "first") for row in verdicts])
    results = judge_gates(estimates, load_profile("smoke").gates)
    return {
        "schema": 1,
        "run": "20261121-041500-3fa9c1",
        "created": "2026-11-21T04:15:00+00:00",
        "decision": "reject",
        "reasons": [result.reason for result in results if result.status == "fail"],
        "profile": "standard",
        "baseline": {"spec": "base", "fingerprint": "b" * 64},
        "candidate": {"spec": "candidate", "fingerprint": "c" * 64},
        "estimates": {name: estimate.to_json() for name, estimate in estimates.items()},
        "gates": [result.to_json() for result in results],
        "judge": {"spec": "openai:judge", "admitted": True, "reasons": []},
    }


def documents(rng: random.Random) -> list[Json]:
    """As many tasks as mmlu has, with prompts of five shots."""
    return [
        {"task": f"mmlu_{task}", "metric": "acc", "prompt": text(rng, 500), "choices": ["a", "b", "c", "d"], "gold": 0}
        | {"baseline": float(rng.random() < 0.5), "candidate": float(rng.random() < 0.5)}
        | {"baseline_answer": 0, "candidate_answer": 1}
        for task in range(57)
        for _ in range(40)
    ]


def write_rows(folder: Path, rows: dict[str, list[Json]]) -> None:
    """The JSONL files."""
    for name, content in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content), encoding="ascii")


def text(rng: random.Random, words: int) -> str:
    """Some words, in paragraphs."""
    return "".join(rng.choice(_WORDS) + ("\n\n" if rng.random() < 0.02 else " ") for _ in range(words)).strip()


if __name__ == "__main__":
    sys.exit(main())
