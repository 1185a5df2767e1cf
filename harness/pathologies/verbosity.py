"""Verbosity: longer than the prompt asks for, cut off where a short answer was asked, or padded."""

import re

from ..items import Completion, Prompt
from .finding import Finding
from .text import HEAD, alternatives, count_words, excerpt, measure, request, sentences, unquoted, words

_OPEN_LIMIT = 800
"""Words, where the prompt asks for no length; long healthy answers stay well below."""
_SHORT_LIMIT = 200
"""Up to this many words the prompt asked for something short; running into the token limit is then a failure."""
_PADDING_SHARE = 0.4
"""Of the words; a polite closing beside an answer stays below."""
_WORDS = "one two three four five six seven eight nine ten"
_NUMBERS = {word: number for number, word in enumerate(_WORDS.split(), 1)}
_NUMBER = rf"(\d{{1,4}}|a single|{'|'.join(_NUMBERS)})"

_LONG_FORM = re.compile(
    r"\b(?:essays?|articles?|stor(?:y|ies)|reports?|chapters?|blog|in (?:great )?detail|detailed|in depth|long|"
    r"comprehensive|complete|full|guide|tutorial|step[- ]by[- ]step|code|program|function|script|speech|plan)\b",
    re.I,
)
_WORD_LIMIT = re.compile(
    r"\b(?:at most|no more than|not more than|fewer than|less than|under|up to|max(?:imum)?(?: of)?|within|in|"
    rf"about|around|exactly) {_NUMBER} words?\b",
    re.I,
)
_SENTENCE_LIMIT = re.compile(
    rf"\b(?:in|with|into|to|using|within|give(?: me)?|write(?: me)?)(?: "
    rf"(?:just|only|exactly|about|at most))? {_NUMBER}(?: (?:short|simple|brief|clear|plain))* sentences?\b|"
    rf"\b{_NUMBER}(?: short| brief)? sentences?"
    r"(?:,? please)?[.!]?\s*\Z",
    re.I,
)
_FEW_WORDS = re.compile(
    r"\b(?:one[- ]word|in a word|a single word|(?:a )?few words|yes or no|true or false|(?:just|only) the number|"
    r"with the number(?: only)?)\b",
    re.I,
)
_BRIEF = re.compile(r"\b(?:briefly|in brief|short answer|be (?:brief|concise)|keep it short)\b", re.I)
_REASONS_TOO = re.compile(r"\b(?:explain|why|reasons?|justify|details?)\b", re.I)

_OPENING = r"^\W*(?:(?:well|so|okay|ok|sure|certainly|of course|absolutely|now|first of all)\b[,!. ]*)?"
_FILLER = re.compile(
    _OPENING
    + alternatives(
        (
            r"(?:and )?as (?:i|we)(?: have| just)* (?:said|mentioned|noted|explained|stated)\b",
            r"as (?:mentioned|noted|stated|said) (?:above|before|earlier)\b",
            r"it(?:'s| is) (?:also )?(?:important|worth|essential|crucial|interesting|useful|good) "
            r"(?:to (?:note|remember|understand|mention|keep in mind|say|consider)|noting|mentioning)\b",
            r"(?:in (?:conclusion|summary|closing|other words)|to (?:sum|summari[sz]e|conclude|recap)|all in all|"
            r"that is to say|put differently|to put it (?:another way|differently))\b",
        )
    ),
    re.I,
)
"""They open sentences that may well say something; only they themselves are padding."""
_EMPTY = re.compile(
    _OPENING
    + alternatives(
        (
            r"(?:so )?you(?:(?:'ve| have)? asked| ask| are asking|(?:'d| would)? (?:like|want) to know)\b",
            r"(?:the|your|this) question (?:is|asks|here|of|concerns|that you)\b",
            r"in this (?:answer|response|reply|explanation)\b",
            r"i (?:will|am going to|shall|would like to|want to) (?:now |first |try to )*(?:explain|answer|"
            r"provide|discuss|describe|go over|tell you|begin|start)\b",
            r"let(?: me|'s| us) (?:start|begin|explain|break|take a|dive|explore|look at|think about|"
            r"summari[sz]e)\b",
            r"before (?:i|we) (?:answer|begin|start|dive|get|go)\b",
            r"(?:in order )?to (?:answer|address) (?:this|that|your|the) question\b",
            r"there (?:are|is) (?:so )?(?:many|several|a lot of|various|much|a number of|countless) "
            r"(?:different )?(?:ways|things|aspects|factors|sides) (?:to|that|of|about|in)\b",
            r"(?:i|we) hope (?:this|that|these|it|my)\b[^.!?]{0,40}\b(?:helps?|helpful|useful|answers?)\b",
            r"(?:please )?(?:let me know|feel free|(?:do not|don't) hesitate)\b",
            r"if you (?:have|need|want|would like) (?:any|more|further|other|additional)\b",
            r"i(?:'m| am| would be|'d be) (?:always )?(?:happy|glad|here) to (?:help|answer|assist)\b",
            r"(?:this|that|it) is a (?:topic|question|subject|matter) (?:that|which|on which|about which|many)\b",
        )
    ),
    re.I,
)


class Verbosity:
    """Length against the prompt's need (`max_words`, else what its wording asks for), and padding."""

    name = "verbosity"

    def check(self, prompt: Prompt, completion: Completion) -> Finding | None:
        """Too long first: it is the plainest reason."""
        limit = word_limit(prompt)
        return (
            _too_long(completion.text, limit or _open_limit(prompt))
            or _cut_off(completion, limit)
            or _padded(prompt, completion.text)
        )


def word_limit(prompt: Prompt) -> int | None:
    """The most words that answer what the prompt asks for, generously; None where it asks for no length."""
    if prompt.max_words is not None:
        return prompt.max_words
    asked = request(prompt)
    if found := _WORD_LIMIT.search(asked):
        return _number(found[1]) * 6 // 5 + 5
    if found := _SENTENCE_LIMIT.search(asked):
        return 30 * _number(found[1] or found[2]) + 30
    if _FEW_WORDS.search(asked) and not _REASONS_TOO.search(asked):
        return 50
    return 150 if _BRIEF.search(asked) else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else _NUMBERS.get(text.lower(), 1)


def _open_limit(prompt: Prompt) -> int | None:
    return None if _LONG_FORM.search(request(prompt)) else _OPEN_LIMIT


def _too_long(text: str, limit: int | None) -> Finding | None:
    if limit is None:
        return None
    count, beyond, end = measure(text, limit)
    if count <= limit:
        return None
    # The evidence is what stands beyond the limit.
    reason = f"{count} words, where at most {limit} answer the prompt"
    return Finding(Verbosity.name, count / limit, (beyond, end), reason)


def _cut_off(completion: Completion, limit: int | None) -> Finding | None:
    if completion.finish_reason != "length" or limit is None or limit > _SHORT_LIMIT:
        return None
    # A token limit below the asked length says nothing about the model.
    if completion.tokens <= limit:
        return None
    reason = f"not ended after {completion.tokens} tokens, where at most {limit} words answer the prompt"
    return Finding(Verbosity.name, completion.tokens / limit, (0, len(completion.text)), reason)


def _padded(prompt: Prompt, text: str) -> Finding | None:
    found = sentences(unquoted(text[:HEAD]))
    question = _last_question(prompt)
    empty = [s for s in found if _EMPTY.match(s.text) or (question and _plain(s.text) == question)]
    fillers = [match for s in found if s not in empty and (match := _FILLER.match(s.text))]
    padding = sum(count_words(s.text) for s in empty) + sum(count_words(match[0]) for match in fillers)
    share = padding / max(1, sum(count_words(s.text) for s in found))
    if not empty or len(empty) + len(fillers) < 2 or share < _PADDING_SHARE:
        return None
    first = empty[0]
    reason = f"{share:.0%} of the answer is padding, such as '{excerpt(first.text)}'"
    return Finding(Verbosity.name, share / _PADDING_SHARE, (first.start, first.end), reason)


def _last_question(prompt: Prompt) -> str:
    asked = [s.text for s in sentences(request(prompt)) if s.text.endswith("?")]
    question = _plain(asked[-1]) if asked else ""
    return question if count_words(question) >= 5 else ""


def _plain(text: str) -> str:
    return " ".join(word.text.lower() for word in words(text))
