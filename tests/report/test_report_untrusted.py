"""Nothing in a Run's data becomes part of the page: parsed, and opened in a real browser."""

import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CANARY = "document.title='OWNED';document.documentElement.setAttribute('data-owned','1')"
HOST = "http://127.0.0.1:9"

ATTACKS = [
    "<script>{js}</script>",
    "</style></title></textarea></script><script>{js}</script>",
    '"><script>{js}</script>',
    "'><img src=x onerror=\"{js}\">",
    '" autofocus onfocus="{js}" x="',
    "' onmouseover='{js}' '",
    "<svg onload=\"{js}\"><animate onbegin=\"{js}\" attributeName=x dur=1s>",
    "<iframe srcdoc=\"<script>parent.{js}</script>\"></iframe>",
    "<img src={host}/image><link rel=stylesheet href={host}/style><video src={host}/video></video>",
    "<meta http-equiv=refresh content='0;url={host}/refresh'><base href={host}/>",
    "<style>@import url({host}/import);*{{background:url({host}/css)}}</style>",
    "<a href=\"javascript:{js}\">click</a><form action={host}/form><button autofocus>",
    "{{{{ 7 * 7 }}}}{{% for x in (1,) %}}{{{{ x.__class__.__mro__ }}}}{{% endfor %}}${{7*7}}",
    "--><script>{js}</script><!--",
    "<details open ontoggle=\"{js}\"><summary>x</summary></details>",
    "<math><mtext></mtext><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror={js}&gt;\">",
    "]]><script>{js}</script><![CDATA[",
    "+ADw-script+AD4-{js}+ADw-/script+AD4-",
]  # fmt: skip


def attacks(host: str) -> list[str]:
    return [attack.format(js=CANARY, host=host) for attack in ATTACKS]


def poison(text: str, files: dict[str, Any]) -> None:
    """Puts `text` everywhere that a user, a data set or a model has a say."""
    run = files["run.json"]
    for key in ("run", "created", "profile", "command"):
        run[key] = text
    run["reasons"] = [text] * 6
    for side in ("baseline", "candidate"):
        run[side] = {"spec": text, "fingerprint": text, "path": text}
    run["settings"], run["versions"] = {text: text, "nested": {text: [text]}}, {text: text}
    run["judge"] = {"spec": text, "admitted": False, "reasons": [text], "accuracy": 0.5}
    run["estimates"] |= {f"pathology.{text}": run["estimates"]["pathology.repetition"]}
    for gate in run["gates"]:
        gate |= {"metric": gate["metric"] + text, "reason": text, "kind": text, "severity": text}
    run["gates"].append(run["gates"][0] | {"metric": text, "limit": None, "status": text})
    for row in files["completions.jsonl"]:
        row |= {"text": text, "prompt_id": text, "category": text, "finish_reason": "length"}
        row["messages"] = [{"role": text, "content": text}, {"role": "user", "content": text}]
    for row in files["findings.jsonl"]:
        row |= {"detector": text, "reason": text, "span": [0, 5]}
    for row in files["benchmarks.jsonl"]:
        row |= {"task": text, "metric": text, "prompt": text, "choices": [text] * 4}
    for row in files["benchmarks.jsonl"][::2]:
        row |= {"choices": [], "gold": text, "baseline_answer": text, "candidate_answer": text}
    for row in files["pairs.jsonl"]:
        row |= {"prompt": text, "chosen": text, "rejected": [{"role": text, "content": text}] * 2}
    for row in files.get("verdicts.jsonl", []):
        row |= {"outcome": "unscored", "reason": text}


class Page(HTMLParser):
    """What a parser makes of the page: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.comments: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "nav",
        "main",
        "section",
        "div",
        "p",
        "span",
    ),
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "details",
        "summary",
        "table",
        "thead",
        "tbody",
    ),
    *("tr", "th", "td", "a", "b", "bdi", "br", "code", "pre", "mark", "figure", "figcaption"),
    *("svg", "path", "rect", "line", "circle", "text", "polyline"),
}
ATTRIBUTES = {
    *(
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "class",
        "id",
        "dir",
        "open",
        "role",
        "tabindex",
        "scope",
    ),
    *("aria-label", "aria-hidden", "href", "viewbox", "preserveaspectratio", "overflow", "d", "points"),
    *("x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "cx", "cy", "r", "width", "height", "text-anchor"),
}


@pytest.mark.parametrize("number", range(len(ATTACKS)))
def test_data_never_becomes_markup(make_run, number):
    attack = attacks(HOST)[number]
    clean = Page(write_report(make_run("inconclusive")).read_text())
    page = Page(write_report(make_run("inconclusive", lambda files: poison(attack, files))).read_text())
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES
    assert all(attributes["href"].startswith("#") for tag, attributes in page.elements if tag == "a")
    assert page.comments == []
    for tag in ("meta", "style", "title", "html", "body"):
        assert [a for t, a in page.elements if t == tag] == [a for t, a in clean.elements if t == tag]
    # Shown as it is, in every place: escaped once, not twice, and not run through the template.
    assert "".join(page.words).count(attack[:5]) > 300


def test_the_page_forbids_scripts_and_requests(make_run):
    page = Page(write_report(make_run("reject")).read_text())
    policies = [
        a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policies[0]
    assert "script-src" not in policies[0]


NASTY = {
    "lone surrogate": ("a\ud800b\udfff", "a\ufffdb\ufffd"),
    "NUL": ("a\x00b", "a\u2400b"),
    "terminal escape": ("\x1b[31mred\x1b]0;title\x07", "\u241b[31mred\u241b]0;title\u2407"),
    "C1 control": ("a\x9bb", "a[U+009B]b"),
    "line separators": ("a\u2028b\u2029c", "a[U+2028]b[U+2029]c"),
    "bidi override": ("safe\u202egpj.exe", "safe[U+202E]gpj.exe"),
    "bidi isolate": ("\u2067abc\u2069", "[U+2067]abc[U+2069]"),
    "noncharacter": ("a\uffffb", "a[U+FFFF]b"),
    "carriage returns": ("a\r\nb\rc", "a\nb\u240dc"),
    "right to left": ("مرحبا بالعالم שלום", "مرحبا بالعالم שלום"),
    "joined emoji": ("👩\u200d👩\u200d👧 👍🏽", "👩\u200d👩\u200d👧 👍🏽"),
}


@pytest.mark.parametrize("name", NASTY)
def test_odd_characters_are_shown_and_obeyed_nowhere(make_run, name):
    text, shown = NASTY[name]
    raw = write_report(make_run("inconclusive", lambda files: poison(text, files))).read_bytes()
    page = raw.decode("utf-8")
    assert page.count(shown) > 300
    assert not set(page) & set("\x00\x07\x1b\r\x9b\u2028\u2029\u202e\u2067\u2069\uffff")


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A loopback server: its address, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


def opened(page: Path, profile: Path) -> str:
    """The document as Chromium has it after the page has loaded and settled."""
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"),
        *("--virtual-time-budget=2000", "--dump-dom", page.as_uri()),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@needs_chromium
def test_a_browser_runs_nothing_and_asks_for_nothing(make_run, server, tmp_path):
    host, asked = server
    everything = "\n".join(attacks(host))
    page = write_report(make_run("inconclusive", lambda files: poison(everything, files)))
    document = opened(page, tmp_path / "profile")
    assert "<h1>" in document
    assert not re.search(r"<html[^>]*data-owned|<title>OWNED", document)
    assert asked == []


@needs_chromium
def test_the_browser_test_can_fail(server, tmp_path):
    """The same attacks on a page that neither escapes nor forbids do run, and do ask."""
    host, asked = server
    page = tmp_path / "careless.html"
    page.write_text(f"<!doctype html><title>x</title>{attacks(host)[0]}{attacks(host)[8]}")
    document = opened(page, tmp_path / "profile")
    assert re.search(r"<html[^>]*data-owned", document)
    assert "<title>OWNED" in document
    assert "/image" in asked
