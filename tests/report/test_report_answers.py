"""The list of answers in a real browser: filters, search, the swap, links to a view."""

import json
import re
from collections import Counter
from typing import Any

from harness.report import write_report

# What a reader does, one after the other; what the list then holds goes into an attribute.
READER = """
const form = document.getElementById("filters");
const seen = {};
function choose(name, wanted) {
  form.reset();
  for (const [control, value] of Object.entries(wanted)) form.elements[control].value = value;
  form.dispatchEvent(new Event("input", { bubbles: true }));
  for (const closed of document.querySelectorAll(".exchange")) closed.open = true;
  seen[name] = {
    found: document.getElementById("found").textContent, listed: document.querySelectorAll(".exchange").length,
    address: location.hash, more: document.getElementById("more").hidden,
  };
}
seen.options = [...form.elements.outcome.options].map((option) => option.text);
choose("all", {});
choose("loss", { outcome: "loss" });
choose("search", { q: "NAIROBI" });
choose("judge", { q: "words in ba" });
choose("finding", { finding: "new:sycophancy" });
choose("category", { category: "facts" });
choose("both", { category: "facts", outcome: "win" });
choose("none", { q: "no such words" });
choose("one", { q: "facts-02-0" });
const read = () => ({ sides: [...document.querySelectorAll(".answer h4")].map((h) => h.firstChild.data),
  words: document.querySelector("blockquote").textContent });
setTimeout(() => {
  seen.before = read();
  document.querySelector("button.swap").click();
  seen.after = read();
  document.documentElement.setAttribute("data-seen", JSON.stringify(seen));
}, 200);
"""


def with_words(files: dict[str, Any]) -> None:
    for row in files["verdicts.jsonl"]:
        row["raw"] = f"words in {row['order']}"


def results(files_of_run: Any) -> Counter[str]:
    """By hand: the winner in each order, and whether they agree."""
    calls: dict[str, list[str]] = {}
    for row in map(json.loads, files_of_run):
        side = {"first": row["order"][0], "second": row["order"][1]}.get(row["outcome"], "tie")
        calls.setdefault(row["prompt_hash"], []).append(side)
    names = {"a": "win", "b": "loss", "tie": "tie"}
    return Counter(names[one] if one == other else "split" for one, other in calls.values())


def test_a_reader_filters_searches_and_swaps(make_run, browse):
    folder = make_run("inconclusive", with_words)
    document = browse(write_report(folder), script=READER)
    seen = json.loads(re.search(r'data-seen="([^"]*)"', document)[1].replace("&quot;", '"'))
    counts = results((folder / "verdicts.jsonl").read_text().splitlines())
    findings = [json.loads(line) for line in (folder / "findings.jsonl").read_text().splitlines()]
    flagged = {
        side: {f["prompt_hash"] for f in findings if (f["side"], f["detector"]) == (side, "sycophancy")}
        for side in ("baseline", "candidate")
    }
    assert seen["options"] == ["all", *(f"{name} ({counts[name]})" for name in ("win", "loss", "tie", "split"))]
    assert (seen["all"]["found"], seen["all"]["listed"], seen["all"]["more"]) == ("96 prompts", 40, False)
    assert seen["loss"]["found"] == f"{counts['loss']} of 96 prompts"
    assert seen["loss"]["listed"] == counts["loss"]
    assert seen["loss"]["address"] == "#outcome=loss"
    assert seen["search"]["found"] == "6 of 96 prompts"  # of the eight about Kenya
    assert seen["judge"]["found"] == "96 of 96 prompts"
    assert seen["finding"]["found"] == f"{len(flagged['candidate'] - flagged['baseline'])} of 96 prompts"
    assert seen["category"]["found"] == "36 of 96 prompts"
    assert 0 < seen["both"]["listed"] < min(36, counts["win"])
    assert seen["none"] == {"found": "0 of 96 prompts", "listed": 0, "address": "#q=no+such+words", "more": True}
    assert seen["one"]["found"] == "1 of 96 prompts"
    assert seen["before"]["sides"] == ["Baseline", "Candidate"]
    assert seen["after"]["sides"] == ["Candidate", "Baseline"]
    assert seen["before"]["words"] == "The judge\u2019s words with the baseline first\nwords in ba"
    assert seen["after"]["words"] == "The judge\u2019s words with the candidate first\nwords in ab"


def test_an_address_opens_a_filtered_view_with_its_evidence(make_run, browse):
    document = browse(write_report(make_run("reject")), fragment="#finding=new:repetition&category=opinion")
    found = int(re.search(r'<output id="found"[^>]*>(\d+) of 96 prompts</output>', document)[1])
    assert 0 < found == document.count('<details class="exchange"')
    assert document.count('<span class="chip finding is-new">+ repetition</span>') == found
    assert '<mark class="deep"><span class="tag">sycophancy</span><span class="tag">repetition</span>What a' in document
    assert '<option value="opinion">opinion (12)</option>' in document
