"""What the checks compare texts by: keys, shingles, similarity, and the language, told by its commonest words."""

import re
from collections.abc import Iterable
from itertools import pairwise

from ..pathologies.text import CJK

_TOKEN = re.compile(rf"[{CJK}]|[^\W{CJK}]+|[+*/%=<>^-]")
_NUMBER = re.compile(r"\d+")
_EDGES = " \t\r\n.,;:!?\"'"

NEAR = 0.75
"""Shingles in common from which two prompts are nearly the same: one word of twelve replaced gives 0.77, another
country in "What is the capital of …?" 0.69."""

Shingles = frozenset[str]


def key(text: str) -> str:
    """Equal for texts that differ in case, white space and closing punctuation only."""
    return " ".join(text.lower().split()).strip(_EDGES)


def tokens(text: str) -> list[str]:
    """Lower-case words, the characters of scripts without spaces, and the signs that change what a sum says."""
    return _TOKEN.findall(text.lower())


def shingles(text: str) -> Shingles:
    """Words and pairs of neighbours: enough order to tell sentences apart, also of ten words."""
    found = tokens(text)
    return frozenset(found) | frozenset(f"{a} {b}" for a, b in pairwise(found))


def similarity(one: Shingles, other: Shingles) -> float:
    """Jaccard's: shared shingles over all of both; 1 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def numbers(text: str) -> list[str]:
    """The numbers of a text in order: a sum with other numbers is another question."""
    return _NUMBER.findall(text)


def nearly_same(one: str, other: str, least: float) -> bool:
    """Whether two texts share so many of their shingles, and all of their numbers in order."""
    return numbers(one) == numbers(other) and similarity(shingles(one), shingles(other)) >= least


_COMMONEST = {
    "English": "the and of to is in that it you for with this are be can as was have not your what how which",
    "German": "der die und das ist nicht ein eine den zu mit sich auf für dem auch wie sie werden oder wird aber",
    "French": "le les des est une dans pour qui sur pas vous avec il elle je nous cette sont au du et être ou",
    "Spanish": "el los las que una por con para es del como más pero su está son muy también este y se lo",
    "Portuguese": "não uma para com os mais como mas foi ao ele das tem seu ou você são isso também do da em",
    "Italian": "che di non il per una sono con della gli le anche più come nel questo alla ha è ma si dei",
    "Dutch": "het een van niet dat op te zijn voor met die aan er maar om ook als bij naar wordt deze",
    "Indonesian": "yang dan untuk dengan tidak ini dari dalam adalah pada itu dapat akan atau anda juga oleh",
    "Polish": "nie się jest na że do to jak po co tak za od przez przy może oraz są dla czy",
    "Turkish": "bir ve bu için çok daha ile olarak gibi ne de da olan kadar sonra değil veya en",
    "Swedish": "och att det som en på är av för med till den har inte om ett men kan eller",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMONEST.items()}
_SCRIPTS = {
    "Chinese": re.compile("[\u3400-\u9fff]"),
    "Japanese": re.compile("[\u3040-\u30ff]"),
    "Korean": re.compile("[\uac00-\ud7af]"),
    "Cyrillic": re.compile("[\u0400-\u052f]"),
    "Greek": re.compile("[\u0370-\u03ff]"),
    "Arabic": re.compile("[\u0600-\u06ff]"),
    "Hebrew": re.compile("[\u0590-\u05ff]"),
    "Indic": re.compile("[\u0900-\u0dff]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
}
_OTHER_SCRIPT = re.compile("[\u0370-\u0dff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_HEAD = 600
"""Characters that are looked at."""
_LEAST = 4
"""Common words that it takes to name a language: names and code hold one or two of some by chance."""
_SHARE = 0.15
"""Least share of the words that are common ones; running text has 0.25 to 0.5, a list of foreign names under 0.1."""
_PLAINLY = 0.25
"""So many common English words leave no room for another language."""
_CLEAR = 1.5
"""How many times as many as of English, since languages share words."""


def language(text: str) -> str | None:
    """The language, or the script where that says more; None where too little of either is seen (code, names)."""
    head = text[:_HEAD]
    if len(_OTHER_SCRIPT.findall(head)) > 0.3 * sum(map(str.isalpha, head)):
        counts = {name: len(pattern.findall(head)) for name, pattern in _SCRIPTS.items()}
        # Japanese is written with Chinese characters too, but never without its own.
        return "Japanese" if counts["Japanese"] > 0.1 * counts["Chinese"] > 0 else _most(counts)
    words = tokens(head)
    if sum(map(_WORDS["English"].__contains__, words)) >= max(_LEAST, _PLAINLY * len(words)):
        return "English"
    counts = {name: sum(word in common for word in words) for name, common in _WORDS.items()}
    best = _most(counts)
    if counts[best] < _CLEAR * counts["English"]:
        best = "English"
    return best if counts[best] >= max(_LEAST, _SHARE * len(words)) else None


def _most(counts: dict[str, int]) -> str:
    return max(counts, key=counts.__getitem__)


def excerpt(text: str, limit: int = 70) -> str:
    """`text` on one line, cut, for screens and reasons."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def row_list(rows: Iterable[int], limit: int = 6) -> str:
    """Row numbers for the screen: "3, 17, 40 and 12 more"."""
    found = sorted(rows)
    shown = ", ".join(map(str, found[:limit]))
    return f"{shown} and {len(found) - limit:,} more" if len(found) > limit else shown
