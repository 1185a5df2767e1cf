"""The diagnosis on the page, and the evidence of findings in the answers."""

import json
import re
from typing import Any

from harness.report import write_report

CAUSE = {
    "name": "flattery",
    "cause": "the preferred answers flatter",
    "fix": "add pairs whose chosen answer corrects a wrong belief",
    "evidence": ["sycophancy rose by 71.7 points [63, 79] on 120 prompts", "<b>trained</b> with \x1b[2J"],
    "numbers": {"pathology.sycophancy": {"value": 0.717, "low": 0.63, "high": 0.79, "n": 120}},
}


def page_of(make_run: Any, diagnosis: Any) -> str:
    def add(files: dict[str, Any]) -> None:
        files["run.json"]["diagnosis"] = diagnosis

    return write_report(make_run("reject", add)).read_text(encoding="utf-8")


def test_each_cause_stands_after_the_gates_with_fix_and_evidence(make_run: Any) -> None:
    page = page_of(make_run, [CAUSE, CAUSE | {"cause": "tax.pooled fell"}])
    assert re.findall(r'<section id="(\w+)"', page)[:3] == ["gates", "diagnosis", "pathologies"]
    assert '<a href="#diagnosis">' in page
    section = page.partition('<section id="diagnosis">')[2].partition("</section>")[0]
    assert section.count('<h3 dir="auto">') == 2
    assert "The preferred answers flatter</h3>" in section and "tax.pooled fell</h3>" in section
    assert "<b>Try</b> Add pairs whose chosen answer" in section
    assert "Sycophancy rose by 71.7 points [63, 79] on 120 prompts" in section
    assert "&lt;b&gt;trained" in section and "␛[2J" in section and "\x1b" not in section


def test_without_a_cause_there_is_no_section(make_run: Any) -> None:
    for diagnosis in ([], None):
        page = page_of(make_run, diagnosis)
        assert 'id="diagnosis"' not in page and "#diagnosis" not in page


def test_the_evidence_of_findings_is_marked_in_the_answers(make_run: Any, embedded: Any) -> None:
    folder = make_run("reject")
    finding = json.loads((folder / "findings.jsonl").read_text().split("\n")[0])
    start, end = finding["span"]
    rows = [json.loads(line) for line in (folder / "completions.jsonl").read_text().splitlines()]
    (text,) = [r["text"] for r in rows if (r["side"], r["prompt_id"]) == (finding["side"], finding["prompt_id"])]
    answers = embedded(write_report(folder).read_text(encoding="utf-8"))
    (shown,) = [row["answers"][1]["text"] for row in answers if row["id"] == finding["prompt_id"]]
    (stretch,) = [part for part in shown if not isinstance(part, str) and finding["detector"] in part[1]]
    assert text[start:end].startswith(stretch[0])
