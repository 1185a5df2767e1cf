"""Whether words follow each other as in English, by the commonest words and pairs of words of the web.

In healthy prose most pairs of neighbours are among the 250,000 commonest pairs; in word salad hardly any is. The lists
are those of the package `wordsegment` (Google's trillion word corpus, counted by Norvig, "Beautiful Data", 2009); they
are read once, when the first text asks for them.
"""

import re
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise
from operator import sub

from .text import Span

SALAD = 0.9
"""Implausibility of a stretch; of 1,800 healthy texts none reached 0.85."""
NO_WORDS = 0.1
"""Of a jumble's words."""
_WINDOW = 25
_LEAST = 12
"""Pairs: about a sentence."""
_UNKNOWN = 2.0
"""Weight of a word that is none beside a pair that is none."""
_SUSPECT, _STEP = 0.84, 5

_PLAIN = re.compile(r"(?<![\w'’./@-])[a-z]{4,}(?![\w'’/@-]|\.\w)")
_ENDING = re.compile(r"(?:e?s|e?d|ing|ly|able|ness|less|like|wise)\Z")
_CAMEL = re.compile(r"[a-z][A-Z]+[a-z]")
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


@cache
def _pairs() -> frozenset[str]:
    data = files("wordsegment").joinpath("bigrams.txt").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^[^\t\n]+", data, re.M))


@cache
def _words() -> frozenset[str]:
    data = files("wordsegment").joinpath("unigrams.txt").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^[^\t\n]+", data, re.M))


def is_word(word: str) -> bool:
    """Whether `word` (lower case) is an English one, an inflected or a compound one."""
    vocabulary = _words()
    if word in vocabulary or _ENDING.sub("", word) in vocabulary:
        return True
    return any(word[:at] in vocabulary and word[at:] in vocabulary for at in range(4, len(word) - 3))


def invented(text: str, known: frozenset[str]) -> list[Span]:
    """The words in lower case, of four letters and more, that are none and not `known` either; each once."""
    found: dict[str, Span] = {}
    for match in _PLAIN.finditer(text):
        word = match[0]
        if word not in _words() and word not in known and word not in found and not is_word(word):
            found[word] = Span(match.start(), match.end(), word)
    return list(found.values())


def may_be_salad(words: list[str]) -> bool:
    """A cheap look: whether few neighbours of some stretch of `words` (lower case) are common pairs."""
    if len(words) < _LEAST:
        return False
    known = bytes(map(_pairs().__contains__, map(" ".join, pairwise(words))))
    size = min(_WINDOW, len(known))
    return any(known.count(1, at, at + size) <= (1 - _SUSPECT) * size for at in range(0, len(known) - size + 1, _STEP))


def may_be_invented(vocabulary: frozenset[str]) -> bool:
    """A cheap look: whether at least two distinct words and three of a hundred are unknown."""
    return len(vocabulary - _words()) >= max(2, 0.03 * len(vocabulary))


def salad(prose: str) -> tuple[float, Span] | None:
    """(implausibility per pair, the worst stretch); None in a text with too few pairs of plain words.

    Only words in lower case with one space between them count, and each pair once: names and lists are no sentences.
    A pair that is not common adds 1, one whose second word is no word 2 more; healthy stretches stay below 0.75.
    """
    seen: set[str] = set()
    scores: list[float] = []
    places: list[tuple[int, int]] = []
    for first, second in pairwise(_WORD.finditer(prose)):
        if second.start() != first.end() + 1 or prose[first.end()] != " " or not second[0].islower():
            continue
        if not (first[0].islower() or first[0] == "I"):
            continue
        word = second[0].partition("'")[0]
        pair = f"{first[0].lower().rpartition(chr(39))[2]} {word}"
        if pair in seen:
            continue
        seen.add(pair)
        unknown = len(word) > 2 and word not in _words()
        scores.append((pair not in _pairs()) + _UNKNOWN * unknown)
        places.append((first.start(), second.end()))
    if len(scores) < _LEAST:
        return None
    size = min(_WINDOW, len(scores))
    sums = [0.0, *accumulate(scores)]
    worst, at = max((total, at) for at, total in enumerate(map(sub, sums[size:], sums)))
    start, end = places[at][0], places[at + size - 1][1]
    return worst / size, Span(start, end, prose[start:end])


def jumble(text: str) -> float:
    """Share of non-words in a text whose neighbours go together nowhere (nine pairs of ten are none), else 0.

    Lists of names and terms are mostly capitalised; there it takes capitals within words as well.
    """
    found = [word[0] for word in _WORD.finditer(text)]
    known = sum(f"{a} {b}" in _pairs() for a, b in pairwise(word.lower() for word in found))
    if len(found) < 2 * _LEAST or known > 0.1 * len(found):
        return 0.0
    if sum(map(str.islower, found)) < 0.4 * len(found) and len(_CAMEL.findall(text)) < 3:
        return 0.0
    return sum(not is_word(word.lower().partition("'")[0]) for word in found if len(word) > 2) / len(found)
