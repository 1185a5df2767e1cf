"""What the detectors share: words, sentences, and text without what it only quotes.

Every function is linear in its text. Detectors look at a window of long texts, so that a megabyte costs
no more than a page.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..items import Prompt

HEAD = 20_000
"""Phrases are looked for in the first HEAD characters."""
_ASKED = 4_000
"""The request stands before or after a long text that it is about."""
CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"

_WORD = re.compile(rf"[{CJK}]{{1,2}}|(?:(?![{CJK}])\w)+(?:['’-](?:(?![{CJK}])\w)+)*")
_QUOTED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`|\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|«[^»\n]{1,400}»", re.DOTALL)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


@dataclass(frozen=True)
class Span:
    """A stretch of a text: offsets and the characters between them."""

    start: int
    end: int
    text: str


def words(text: str) -> list[Span]:
    """The words in order; in Chinese, Japanese and Korean script two characters count as one."""
    return [Span(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]


def count_words(text: str) -> int:
    """How many words `words` would give."""
    return sum(1 for _ in _WORD.finditer(text))


def measure(text: str, limit: int) -> tuple[int, int, int]:
    """(number of words, start of the first word beyond `limit`, end of the last word); offsets are 0 without such."""
    count, beyond, end = 0, 0, 0
    for count, match in enumerate(_WORD.finditer(text), start=1):
        if count > limit:
            beyond, end = beyond or match.start(), match.end()
    return count, beyond, end


def sentences(text: str) -> list[Span]:
    """The stretches between sentence ends and line breaks that hold a word; "3.5" and "e.g." cut too finely."""
    found = (Span(match.start(), match.end(), match[0]) for match in _SENTENCE.finditer(text))
    return [sentence for sentence in found if _WORD.search(sentence.text)]


def unquoted(text: str) -> str:
    """`text` with quotations and code blanked and plain apostrophes, at the same offsets.

    A text that is one quotation from its first character to its last is the answer itself, and stays.
    """
    text, whole = text.replace("’", "'"), len(text.strip()) - 2
    return _QUOTED.sub(lambda match: match[0] if len(match[0]) >= whole else " " * len(match[0]), text)


def request(prompt: Prompt) -> str:
    """What the user asks: the last user message, its ends where it is long, with plain apostrophes."""
    asked = [message.content for message in prompt.messages if message.role == "user"]
    text = asked[-1] if asked else ""
    text = text if len(text) <= _ASKED else text[: _ASKED // 2] + "\n" + text[-_ASKED // 2 :]
    return text.replace("’", "'")


def excerpt(text: str, limit: int = 60) -> str:
    """`text` on one line, cut to `limit` characters, for reasons."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def alternatives(lines: Iterable[str]) -> str:
    """One regular expression group matching any of the patterns."""
    return f"(?:{'|'.join(lines)})"
