"""Repetition: loops of characters, words, phrases, lines and sentences, also with a changing number in them.

Three views, combined: how periodic the end is (a loop that never ends), how much of the text is repeated
phrases, and how well it compresses. Tables, code, poems, lists, music and grids repeat by nature: they count only
when the loop at their end is plain.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence

from ..items import Completion, Prompt
from .finding import Finding
from .text import CJK, Span, excerpt, request, sentences, words

_WINDOW = 20_000
"""Longer texts are judged by their last characters: a loop does not end by itself."""
_ZLIB_RATIO = 4.5
_ZLIB_CHARACTERS = 400
"""No healthy prose of that length compresses that well: 0 of 2,415 outputs of three strong models."""
_NGRAM_SHARE = 0.5
_NGRAM_WORDS = 40
_CIRCLE_WORDS = 40
_CIRCLE_LEAST = 25
_CIRCLE_LINE = 12
"""Words per line in running text; lists have fewer."""
_CIRCLE_SHARE = 0.45
"""Distinct words; the median of 40 words of human-judged answers has 0.8."""

_TOKEN = re.compile(rf"[{CJK}]|\d+|(?:(?![{CJK}])[^\W\d_])+|[^\s\w]|_")
_CHARACTERS = re.compile(r"([^\W\d_]{1,8}?)\1{9,}")
_STUTTER = re.compile(r"\b([^\W\d_]{3,20})\b(?:[ ,.!?]{1,3}\1\b){7,}", re.I)
_MARKS = re.compile(r"([!?,;'\"&@%$^~])\1{39,}")
_CHORD = re.compile(r"[A-G](?:b|maj|min|m|sus|dim|aug|add)*\Z")
_TABLE_LINE = re.compile(r"^[^\n]*(?:\|[^\n|]*\||\t)[^\n]*$", re.M)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.S)
_CODE_LINE = re.compile(r"^(?: {2,}|\t)[^\n]*$|^[^\n]*[;{}>]\s*$", re.M)
_ASKED_FOR = re.compile(
    r"\brepeat(?:ed|ing|s|edly)?\b|\bover and over\b|\b(?:say|write|print|type|copy)\b[^.?!\n]{0,80}\b\d+ times\b|"
    r"\bascii\b|\b(?:sheet music|tablature|guitar tab|drum|chords?|melody|beat pattern)\b|\bmantra\b|"
    r"\bonomatopoeia\b|\bdigits of\b|\bpattern\b",
    re.I,
)
_VERSE_ASKED = re.compile(
    r"\b(?:poems?|songs?|lyrics|chant|villanelle|haiku|verse|rap|nursery rhyme|lullaby|prayer|refrain|chorus)\b",
    re.I,
)


class Repetition:
    """The score is the measured repetition over its threshold."""

    name = "repetition"

    def check(self, prompt: Prompt, completion: Completion) -> Finding | None:
        """None where the prompt asks for repetition."""
        text, asked = completion.text, request(prompt)
        if not text or _ASKED_FOR.search(asked):
            return None
        start = max(0, len(text) - _WINDOW)
        text, verse = text[start:], bool(_VERSE_ASKED.search(asked))
        found = (
            _characters(text)
            or _loop(text, completion.finish_reason == "length")
            or _sentences(text, verse=verse)
            or _phrases(text)
            or _few_words(text, verse=verse)
        )
        if found is None:
            return None
        score, (first, end), reason = found
        return Finding(self.name, score, (start + first, start + end), reason)


_Found = tuple[float, tuple[int, int], str]


def _characters(text: str) -> _Found | None:
    for match in _CHARACTERS.finditer(text):
        if len(match[0]) >= 40 or (len(match[0]) >= 10 and len(match[0]) >= 0.5 * len(text.strip())):
            return len(match[0]) / 40 + 1, match.span(), f"'{match[1]}' {len(match[0]) // len(match[1])} times in a row"
    if word := _STUTTER.search(text):
        return 2.0, word.span(), f"'{excerpt(word[1])}' again and again"
    marks = _MARKS.search(text)
    return marks and (len(marks[0]) / 40, marks.span(), f"'{marks[1]}' {len(marks[0])} times in a row")


def _loop(text: str, cut: bool) -> _Found | None:
    """A loop that the text ends in; exactly, or with its numbers changing."""
    tokens = [Span(match.start(), match.end(), match[0].casefold()) for match in _TOKEN.finditer(text)]
    # A loop that ends with a full stop is one all the same.
    while len(tokens) > 1 and tokens[-1].text in ".!?\"'”)":
        tokens.pop()
    exact = [token.text for token in tokens]
    numberless = ["0" if token.isdecimal() else token for token in exact]
    for keys, changing in ((exact, False), (numberless, True)):
        length, period = _periodic_tail(keys)
        unit = tokens[len(tokens) - length :][:period]
        if not unit:
            continue
        times, size = length / period, tokens[-1].end - unit[0].start
        if _plain_loop(unit, times, size, changing) or (cut and _weak_loop(unit, times, size, changing)):
            span = (unit[0].start, tokens[-1].end)
            how = " with changing numbers" if changing else ""
            shown = excerpt(text[unit[0].start : unit[-1].end], 50)
            return times / 3, span, f"ends in a loop of {times:.0f} times '{shown}'{how}"
    return None


def _plain_loop(unit: Sequence[Span], times: float, size: int, changing: bool) -> bool:
    """Long enough, of words: names of chords, cells and single letters repeat in healthy texts."""
    real = sum(len(token.text) >= 3 and token.text.isalpha() and not _CHORD.match(token.text.upper()) for token in unit)
    real += sum(token.text.isalpha() and not token.text.isascii() and len(token.text) == 1 for token in unit) // 2
    if changing:
        return size >= 120 and times >= (4 if real >= 4 else 7) and real >= 2
    return real >= 1 and ((times >= 4 and size >= 60) or (times >= 3 and size >= 120 and real >= 4))


def _weak_loop(unit: Sequence[Span], times: float, size: int, changing: bool) -> bool:
    """Single letters and marks: a loop only when the text never ended."""
    return not changing and times >= 10 and size >= (80 if any(t.text.isalpha() for t in unit) else 200)


def _periodic_tail(keys: Sequence[str]) -> tuple[int, int]:
    """(length, period) of the longest end of `keys` that repeats at least three times; (0, 1) without one.

    The prefix function of the reversed sequence (Knuth, Morris, Pratt 1977) gives the smallest period of every end.
    """
    reverse = list(reversed(keys))
    borders = [0] * len(reverse)
    best = (0, 1)
    for i in range(1, len(reverse)):
        k = borders[i - 1]
        while k and reverse[i] != reverse[k]:
            k = borders[k - 1]
        borders[i] = k = k + (reverse[i] == reverse[k])
        if (i + 1) >= 3 * (i + 1 - k):
            best = (i + 1, i + 1 - k)
    return best


def _sentences(text: str, *, verse: bool) -> _Found | None:
    """One sentence or line again and again, anywhere."""
    prose = _prose(text)
    found = [(s, " ".join(word.text.casefold() for word in words(s.text))) for s in sentences(prose)]
    counts = Counter(key for _, key in found if key.count(" ") >= 3)
    if not counts:
        return None
    key, times = counts.most_common(1)[0]
    total = sum(len(other) for _, other in found)
    share = times * len(key) / max(1, total)
    if times < (5 if verse else 3) or share < (0.6 if verse else 0.4):
        return None
    where = [s for s, other in found if other == key]
    return times / 3, (where[0].start, where[-1].end), f"says '{excerpt(where[0].text, 50)}' {times} times"


def _phrases(text: str) -> _Found | None:
    """Repeated four-word phrases, backed by compression for texts that are long enough."""
    prose = _prose(text)
    found = [word for word in words(prose) if not word.text.isdecimal()]
    if len(found) < _NGRAM_WORDS:
        return None
    keys = [word.text.casefold() for word in found]
    grams = list(zip(keys, keys[1:], keys[2:], keys[3:], strict=False))
    counts = Counter(grams)
    share = 1 - len(counts) / len(grams)
    ratio = _zlib_ratio(prose)
    score = max(share / _NGRAM_SHARE, ratio / _ZLIB_RATIO if share >= 0.3 else 0.0)
    if score < 1 or not _wordy(prose):
        return None
    gram, times = counts.most_common(1)[0]
    at = [i for i, other in enumerate(grams) if other == gram]
    span = (found[at[0]].start, found[at[-1] + 3].end)
    phrase = " ".join(word.text for word in found[at[0] : at[0] + 4])
    return score, span, f"{share:.0%} of its four-word phrases are repeated, '{excerpt(phrase, 50)}' {times} times"


def _few_words(text: str, *, verse: bool) -> _Found | None:
    """Saying one thing in circles: few distinct words among some forty, in running text.

    Lists and plans reuse their template; of 1,280 answers to people's prompts, all prose below the threshold looped.
    """
    prose = _prose(text)
    found = words(prose)
    lines = sum(1 for line in prose.split("\n") if line.strip())
    if verse or len(found) < _CIRCLE_LEAST or len(found) < _CIRCLE_LINE * lines or not _wordy(prose):
        return None
    size = min(_CIRCLE_WORDS, len(found))
    keys = [word.text.casefold() for word in found]
    seen, first = Counter(keys[:size]), 0
    fewest = len(seen)
    for i in range(size, len(keys)):
        seen[keys[i]] += 1
        seen[keys[i - size]] -= 1
        if not seen[keys[i - size]]:
            del seen[keys[i - size]]
        if len(seen) < fewest:
            fewest, first = len(seen), i - size + 1
    if fewest > _CIRCLE_SHARE * size:
        return None
    span = (found[first].start, found[first + size - 1].end)
    return _CIRCLE_SHARE * size / fewest, span, f"goes in circles: {fewest} distinct words in a stretch of {size}"


def _zlib_ratio(text: str) -> float:
    data = text.encode("utf-8", "surrogatepass")
    return len(data) / len(zlib.compress(data)) if len(text) >= _ZLIB_CHARACTERS else 0.0


def _prose(text: str) -> str:
    """`text` with tables and code blanked, at the same offsets."""
    for pattern in (_FENCE, _TABLE_LINE, _CODE_LINE):
        text = pattern.sub(lambda match: " " * len(match[0]), text)
    return text


def _wordy(text: str) -> bool:
    """Mostly words of three letters and more: not notes, grids, or numbers."""
    found = words(text)
    return sum(len(w.text) >= 3 or not w.text.isascii() for w in found if not w.text.isdecimal()) >= 0.5 * len(found)
