"""Degeneration: empty, gibberish, leaked template tokens, mojibake, a script nobody asked for, the user's next turn."""

import re

from ..items import Completion, Prompt
from .finding import Finding
from .text import HEAD, excerpt, request, unquoted, words

_SPECIAL = re.compile(
    r"<\|/?[A-Za-z_][\w ]{0,30}\|>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>|</s>|"
    r"<(?:unk|pad|bos|eos|sep|cls|mask)>|\[(?:PAD|UNK|CLS|SEP|EOS|BOS)\]|"
    r"^#{2,3} ?(?:Instruction|Response|Input|Human|Assistant|User)s?:\s*$",
    re.M,
)
_SPECIAL_ASKED = re.compile(
    r"\b(?:special tokens?|chat templates?|prompt (?:format|template)s?|tokeni[sz]\w*|chatml|llama|bert|alpaca)\b",
    re.I,
)
_TURN = re.compile(
    r"^[*_ ]{0,4}(?P<role>User|Human|Assistant|AI)[*_ ]{0,4}:(?P<said>[^\n]*)$|"
    r"^[*_ ]{0,4}(?:user|assistant|system|human|User|Human)[*_ ]{0,4}:?[ \t]*\n",
    re.M,
)
_DIALOGUE_ASKED = re.compile(
    r"\b(?:dialogues?|conversations?|chat|script|interview|role-?play|transcript|exchange|skit|scene|play|Q ?& ?A|"
    r"FAQ|prompt|user|assistant|human|AI|few-shot|examples?)\b",
    re.I,
)
_MOJIBAKE = re.compile(
    "\N{REPLACEMENT CHARACTER}|[ÃÂ][\u0080-\u00bf]|â€[\u0080-\u00bf™œ“”˜¦\u0153\u009d]|[\ud800-\udfff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_RUN = re.compile(r"([^\W\d_])\1{9,}", re.I)
_LETTERS = re.compile(r"[^\W\d_]+")
_GLUED = 60
"""Letters; longer words occur in no language we know of outside records of long words."""

_SCRIPTS = (
    ("Latin", "A-Za-zÀ-ɏḀ-ỿ"),
    ("Greek", "Ͱ-Ͽἀ-῿"),
    ("Cyrillic", "Ѐ-ԯ"),
    ("Hebrew", "\u0590-\u05ff"),
    ("Arabic", "\u0600-\u06ff\u0750-\u077f"),
    ("Indic", "\u0900-\u0dff"),
    ("Thai", "\u0e00-\u0e7f"),
    ("Chinese or Japanese", "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"),
    ("Korean", "\uac00-\ud7af\u1100-\u11ff"),
)
_SCRIPT_PATTERNS = tuple((name, re.compile(f"[{letters}]")) for name, letters in _SCRIPTS)
_FOREIGN_ASKED = re.compile(
    r"\b(?:translat\w*|languages?|alphabets?|scripts?|letters?|unicode|symbols?|characters?|pronounc\w*|"
    r"transliterat\w*|greek|russian|ukrainian|bulgarian|serbian|hebrew|yiddish|arabic|persian|farsi|urdu|hindi|"
    r"sanskrit|bengali|tamil|telugu|thai|chinese|mandarin|cantonese|japanese|kanji|hiragana|katakana|korean|"
    r"hangul|english|spanish|french|german|italian|portuguese|dutch|latin|indonesian|malay|swahili|finnish|"
    r"hungarian|turkish|polish|czech|vietnamese|tagalog|filipino|romanian|swedish|norwegian|danish|welsh|irish|"
    r"esperanto)\b",
    re.I,
)
_FUNCTION_WORDS = """
    the a an of to and in is are was were it that this for on with as at by be or not you i he she we they from have has
    had but if can will do does so your my his her its their our no yes what which when who how there one all
    el la los las un una de del que y en es por con para se su al lo
    le les des et est une du dans pour qui sur pas au ce il elle je vous
    der die das und ist ein eine zu den von mit nicht auf im dem sich für er sie es wir
    di che e per non sono della gli o os um uma da em não het een van dat op te zijn
"""
_ENGLISH = re.compile(r"\b(?:the|what|how|why|which|of|and|is|my|name|write|give|tell|explain)\b", re.I)
_GLUE = frozenset(_FUNCTION_WORDS.split())
"""They hold sentences together; no sentence of these languages goes far without."""


class Degeneration:
    """The score is 1, or how far a share is beyond its threshold."""

    name = "degeneration"

    def check(self, prompt: Prompt, completion: Completion) -> Finding | None:
        """The first kind found, from empty to the user's next turn."""
        text = completion.text
        found = (
            _empty(text)
            or _special(prompt, text)
            or _broken(prompt, completion)
            or _gibberish(text[-HEAD:], max(0, len(text) - HEAD))
            or _soup(prompt, text[:HEAD])
            or _foreign(prompt, text[:HEAD])
            or _next_turn(prompt, text)
        )
        if found is None:
            return None
        score, span, reason = found
        return Finding(self.name, score, span, reason)


_Found = tuple[float, tuple[int, int], str]


def _empty(text: str) -> _Found | None:
    if not text.strip():
        return 1.0, (0, len(text)), "empty"
    # Emoji and mathematical signs can be an answer; bare punctuation cannot.
    if all(character.isascii() and not character.isalnum() for character in text[:HEAD]):
        return 1.0, (0, len(text)), f"nothing but marks: '{excerpt(text, 30)}'"
    return None


def _special(prompt: Prompt, text: str) -> _Found | None:
    asked = request(prompt)
    if _SPECIAL_ASKED.search(asked):
        return None
    for match in _SPECIAL.finditer(unquoted(text[:HEAD])):
        if match[0] not in asked:
            return 1.0, match.span(), f"leaked template token {match[0]}"
    return None


def _broken(prompt: Prompt, completion: Completion) -> _Found | None:
    text, asked = completion.text, request(prompt)
    # A token limit may cut a character in two; that is not the model's doing.
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}") if completion.finish_reason == "length" else text
    for pattern, what in ((_MOJIBAKE, "broken encoding"), (_CONTROL, "control character")):
        match = pattern.search(whole)
        if match and match[0] not in asked:
            return 1.0, match.span(), f"{what} {match[0]!a}"
    return None


def _gibberish(text: str, offset: int) -> _Found | None:
    for match in _RUN.finditer(text):
        if len(match[0]) >= 20 or len(match[0]) >= 0.3 * len(text.strip()):
            span = (offset + match.start(), offset + match.end())
            return len(match[0]) / 10, span, f"'{match[1]}' {len(match[0])} times in a row"
    for match in _LETTERS.finditer(text):
        if len(match[0]) >= _GLUED and match[0].isascii() and not _address(text, match):
            span = (offset + match.start(), offset + match.end())
            return len(match[0]) / _GLUED, span, f"a word of {len(match[0])} letters"
    return None


def _address(text: str, match: re.Match[str]) -> bool:
    """Whether the letters belong to a link, a path or an encoded string."""
    around = text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]
    return any(mark in around for mark in "/=+_-.:@%0123456789")


def _soup(prompt: Prompt, text: str) -> _Found | None:
    """Words without the words that hold sentences together, or words that are no words; after English prompts only."""
    asked = request(prompt)
    if _FOREIGN_ASKED.search(asked) or not _ENGLISH.search(asked):
        return None
    found = [word.text for word in words(unquoted(text)) if word.text.isalpha() and word.text.isascii()]
    if len(found) < 12 or len(found) < 0.6 * len(words(text)):
        return None
    distinct = set(found)
    strange = sum(map(_strange, distinct)) / len(distinct)
    if len(distinct) >= 10 and strange >= 0.3:
        return strange / 0.3, (0, len(text)), f"{strange:.0%} of its words are no words"
    glue = sum(word.lower() in _GLUE for word in found) / len(found)
    breaks = sum(text.count(mark) for mark in ",;:\n|•-.(") / len(found)
    if len(found) >= 25 and glue <= 0.06 and breaks < 0.2:
        return 1.0, (0, len(text)), "words without a sentence"
    return None


def _strange(word: str) -> bool:
    """No vowel in four letters and more, a capital after a small letter, or six consonants in a row."""
    lower = word.lower()
    if word.isupper() and len(word) <= 6:
        return False
    if len(word) >= 4 and not set(lower) & set("aeiouy"):
        return True
    return len(word) >= 4 and (
        re.search(r"[a-z][A-Z]", word) is not None or re.search(r"[bcdfghjklmnpqrstvwxz]{6}", lower) is not None
    )


def _foreign(prompt: Prompt, text: str) -> _Found | None:
    asked = "\n".join(message.content[-HEAD:] for message in prompt.messages)
    if _FOREIGN_ASKED.search(asked):
        return None
    text = unquoted(text)
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPT_PATTERNS}
    total = sum(counts.values())
    for name, pattern in _SCRIPT_PATTERNS:
        # Two kana or ideographs say as much as a word of ten letters; Latin names and code occur in any script.
        enough = 4 if name in ("Chinese or Japanese", "Korean") else 10
        share = 0.8 if name == "Latin" else 0.2
        if counts[name] >= enough and counts[name] >= share * total and not pattern.search(asked):
            places = [match.start() for match in pattern.finditer(text)]
            return counts[name] / total / share, (places[0], places[-1] + 1), f"switches to {name} script"
    return None


def _next_turn(prompt: Prompt, text: str) -> _Found | None:
    asked = request(prompt)
    if _DIALOGUE_ASKED.search(asked):
        return None
    turns = [match for match in _TURN.finditer(unquoted(text[:HEAD])) if text[: match.start()].strip()]
    # "User: admin" is a setting; a question or an exchange is a turn.
    if not any(turn["role"] is None or "?" in turn["said"] for turn in turns) and len(turns) < 2:
        return None
    return 1.0, (turns[0].start(), len(text)), f"plays the next turn: '{excerpt(turns[0][0], 40)}'"
