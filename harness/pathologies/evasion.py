"""Evasion: refusals, disclaimers without an answer, non-answers, hedging in place of saying something.

Prompts are taken to be harmless: telling a right refusal from a wrong one needs labelled prompts.
"""

import re

from ..items import Completion, Prompt
from .finding import Finding
from .text import HEAD, alternatives, count_words, excerpt, request, sentences, unquoted

_ANSWER_WORDS = 4
"""So many words of substance beside the evasive phrase make an answer ("It depends on the size: small ones do")."""
_REFUSAL_WORDS = 8
"""Beside a refusal it takes more: an excuse is no answer."""
_HEDGES = 4
_HEDGE_SHARE = 0.12
"""Hedging words per word; careful prose stays below 0.06."""

_CANNOT = (
    r"(?:can(?:'t|not| not)|could(?:n't| not)|(?:am|'m) (?:\w+ )?(?:unable|not able|not allowed|not permitted|"
    r"not in a position) to|won(?:'t)|will not|must (?:decline|refuse)(?: to)?|have to (?:decline|refuse)(?: to)?|"
    r"do(?:n't| not) have the (?:ability|capability|authority) to|(?:would|'d) (?:rather|prefer) (?:not(?: to)?)|"
    r"refuse to|decline to|(?:am|'m) not (?:going|able|programmed|designed|equipped) to|"
    r"(?:do not|don't) feel comfortable)"
)
_DO = (
    r"(?:help|assist|provide|answer|fulfil\w*|comply|discuss|offer|engage|share|support|complete|create|write|"
    r"generate|respond|participate|recommend|advise|say|tell|comment|give|do (?:that|this|so)|continue|process|"
    r"express|choose|pick|decide|form|take sides|speak|talk|have|suggest|name|list|judge|rate|reveal|disclose|"
    r"predict|rewrite|solve|touch|giving|providing|discussing|sharing|answering|helping|address|handle|go into|"
    r"take part|explain|describe|perform|make)"
)
_ASSISTANT = (
    r"(?:an? )?(?:\w+[ -]){0,2}(?:AI|A\.I\.|artificial intelligence|language model|chat ?bot|virtual assistant|"
    r"digital assistant|computer program|machine|assistant)\b(?: (?:language )?(?:model|assistant|named \w+))*"
)
_REFUSAL = re.compile(
    alternatives(
        (
            rf"(?:^|[.!?\n,;:] *|\b(?:but|sorry|and|so|that|afraid|because|however|unfortunately|regrettably) "
            rf")I ?(?:\w+ly )?{_CANNOT} (?:\w+ly )?{_DO}\b[^.!?\n,;]{{0,160}}",
            r"\bI (?:must|have to|would like to|want to) (?:respectfully |politely )?(?:decline|"
            r"refuse)\b[^.!?\n,;]{0,160}",
            r"\b(?:it )?(?:would be|is|would not be|is not|isn't|wouldn't be) "
            r"(?:not )?(?:inappropriate|appropriate|right|ethical|proper|unethical) (?:of|for) me "
            r"to\b[^.!?\n]{0,160}",
            r"\b(?:is|are) not (?:allowed|permitted) (?:for|to) me\b[^.!?\n]{0,120}",
            r"^\W*(?:I(?:'m| am) (?:so |very |really )?sorry|sorry)(?: about that)?\W*\Z",
            r"\b(?:this|that|your) (?:request|question|topic|prompt) (?:is|goes|seems|falls) "
            r"(?:\w+ ){0,3}?(?:inappropriate|against|harmful|unsafe|outside|beyond|unethical)\b[^.!?\n]{0,120}",
        )
    ),
    re.I,
)
_DISCLAIMER = re.compile(
    alternatives(
        (
            rf"\b(?:as|being|since I(?:'m| am)|because I(?:'m| am)) {_ASSISTANT}[^.!?\n,]{{0,60}}(?:, I "
            r"(?:do(?:n't| not)|can(?:'t|not)|am not|am|lack|have no)\b[^.!?\n,;]{0,120})?",
            rf"\bI(?:'m| am) (?:just |only |merely |simply )?(?:an? )?{_ASSISTANT}[^.!?\n]{{0,120}}",
            r"\bI (?:do(?:n't| not)|lack|have no|can(?:'t|not)|am not able to|"
            r"am unable to)(?: (?:really|actually|have|hold|form|possess|any|express|the ability to have))* "
            r"(?:personal |human |subjective |own |real |such )*(?:opinions?|preferences?|feelings?|beliefs?|"
            r"emotions?|tastes?|views?|experiences?|biases)\b[^.!?\n,;]{0,100}",
        )
    ),
    re.I,
)
_NON_ANSWER = re.compile(
    alternatives(
        (
            r"\bit(?: really| all| just)? depends\b(?: (?:on|upon) (?:many|various|several|a lot|different|"
            r"the (?:situation|person|context|individual|circumstances)|your|personal|who|what|how|"
            r"you)\b[^.!?\n,:;]{0,80})?",
            r"\bthere(?:'s| is| are) (?:really |probably )?no (?:one |single |simple |easy |definitive |clear |"
            r"right |wrong |correct |or |straightforward |definite )+(?:answers?|"
            r"way to (?:say|answer|tell))\b[^.!?\n]{0,100}",
            r"\b(?:it|this|that)(?:'s| is)(?: all| really| just)* an? (?:matter|question) "
            r"(?:of (?:personal |individual )?(?:opinion|taste|preference|choice|perspective)|"
            r"that (?:only you|everyone|everybody|each|every|people))\b[^.!?\n]{0,80}",
            r"(?:^|[.!?\n,] *|\bbut )(?:honestly,? )?I(?: really| honestly| simply)? "
            r"(?:do(?:n't| not) know|have no idea|have no (?:opinion|comment|answer)|could not say|couldn't say|"
            r"can(?:'t|not) (?:really )?say)\b[^.!?\n,;]{0,80}",
            r"(?:^|[.!?\n,] *|\bbut )I(?:'m| am) not (?:really |entirely |quite |exactly )?(?:sure|certain) "
            r"(?:what|how|if I|whether I|I) [^.!?\n,;]{0,80}",
            r"(?:^|[.!?\n] *)no comment\b",
            r"\b(?:it(?:'s| is) (?:really |entirely |all )?up to you|only you can (?:decide|know|say|answer)|"
            r"that is for you to decide|you (?:should|must|have to|will have to) decide "
            r"(?:that )?(?:for )?yourself)\b[^.!?\n]{0,80}",
            r"\b(?:different|many|some) people (?:will |may |might )?(?:(?:tell|say|give) (?:you )?different|"
            r"have (?:different|their own|many|various) (?:opinions|views|answers|ideas|thoughts))\b[^.!?\n]{0,80}",
            r"\beveryone (?:has|will have) (?:their|his or her|a different|an) "
            r"(?:own )?(?:opinion|view|answer|idea)s?\b[^.!?\n]{0,80}",
            r"\bI(?:'m| am) (?:not qualified|not the right (?:one|person))\b[^.!?\n]{0,120}",
        )
    ),
    re.I,
)
_CLARIFICATION = re.compile(
    r"\b(?:(?:please|(?<!how )(?<!where )(?:could|can|would) you)(?: please| kindly){0,2} "
    r"(?:provide|clarify|specify|rephrase|give me|share|tell me|elaborate)|"
    r"I (?:will |would |'d )?need (?:more|some more|further|additional) (?:information|context|details?)|"
    r"I (?:do(?:n't| not)) (?:quite |fully )?understand (?:the|your|this|what))\b[^.!?\n]{0,120}",
    re.I,
)
_BOILERPLATE = re.compile(
    r"\b(?:I(?:'m| am| was| would be|'d be) (?:\w+ )?(?:here|happy|glad|designed|trained|programmed|only|just|"
    r"sorry|afraid|built|an?)\b|feel free|let me know|if you (?:have|need|want|would like)|not equipped|"
    r"is there (?:anything|something)|can I help|apologi[sz]e|sorry|as an AI|I hope|"
    r"please (?:provide|consult|seek|contact|ask|try|speak|understand|let)|consult|professional|guidelines|"
    r"principles|allowed|permitted|sensitive|private|harms?|unfair|conversation|polic(?:y|ies)|unethical|"
    r"inappropriate|appropriate|harmful|illegal|dangerous|safety|responsibl\w+|someone else|something else|"
    r"thank you|decline|refuse|I (?:can|do|will|would|could|must|have|may|might)\b)",
    re.I,
)
_POLITE = re.compile(
    r"\b(?:I(?:'m| am|'d be| would be)(?: \w+)? (?:glad|happy|pleased|here)\b|feel free|let me know|"
    r"how (?:can|may) I (?:help|assist)|I can (?:\w+ )?(?:help|assist)|you(?:'re| are) a helpful)\b",
    re.I,
)
_HEDGE = re.compile(
    r"\b(?:(?<!you )(?:might|(?-i:may)|could)|perhaps|possibly|probably|maybe|depend(?:s|ing)?|sometimes|arguably|"
    r"presumably|supposedly|potentially|conceivably|not necessarily|in some (?:cases|sense|ways|situations)|"
    r"to some (?:extent|degree)|(?:some|others|many) (?:people )?(?:might |may |would )?(?:say|think|believe|"
    r"argue|prefer)|on the other hand|then again|(?:hard|difficult|impossible) to (?:say|tell|know)|"
    r"not (?:\w+ )?(?:sure|certain)|uncertain|subjective|unclear|it seems|sort of|kind of|more or less|"
    r"for certain)\b",
    re.I,
)
_STRONG_HEDGE = re.compile(
    r"\b(?:perhaps|possibly|maybe|depend(?:s|ing)?|arguably|presumably|conceivably|not necessarily|then again|"
    r"(?:hard|difficult|impossible) to (?:say|tell|know)|not (?:\w+ )?(?:sure|certain)|uncertain|"
    r"(?:may|might) not|may or may not|(?:might|may|could)(?: also)? (?:perhaps|possibly|even|or|not|be that))\b",
    re.I,
)

_SELF_ASKED = re.compile(
    r"\b(?:who|what) are you\b|\byou(?:'re| are| were)\b|\b(?:did|have) you\b|\byourself\b|"
    r"\bare you (?:an?|able|real|human|conscious|sentient|allowed)\b|"
    r"\byour (?:name|limits?|limitations?|capabilit\w+|purpose|feelings?|training|creator\w*|abilities)\b|"
    r"\b(?:do|can) you (?:\w+ )?(?:have|feel|dream|sleep|eat|remember|see|hear|browse|access|learn|taste|smell|"
    r"love|know about me|know who I)\b|\b(?:AI|A\.I\.|artificial intelligence|chat ?bots?|language models?|"
    r"assistants?|machines?)\b",
    re.I,
)
_GREETING = re.compile(
    r"\b(?:hello|hi|hey|thanks?|thank you|good (?:morning|evening|day)|how are you|can you help|could you help|"
    r"need help|write|reply|respond|rewrite|translate|say|correct|rephrase)\b",
    re.I,
)
_REFUSAL_ASKED = re.compile(
    r"\b(?:declin\w+|refus\w+|reject\w*|turn(?:ing)? down|excuses?|say(?:ing)? no|resign\w*|apolog\w+|sorry|"
    r"unavailable|out[- ]of[- ]office|complain\w*|dialogue|screenplay|role-?play|cancel\w*|can't|cannot|translate|"
    r"rephrase|paraphrase)\b",
    re.I,
)
_UNKNOWABLE = re.compile(
    r"\b(?:(?:am|was) I (?:thinking|holding|wearing|doing|born)|my "
    r"(?:\w+['’]s )?(?:name|password|birthday|age|address|phone number|pet)|tomorrow|lottery|right now|today|"
    r"current(?:ly)?|latest|next (?:week|month|year)|exact(?:ly)?|will (?:win|happen)|stock price|weather|"
    r"time is it|in my (?:pocket|bag|hand)|did I)\b",
    re.I,
)
_MATERIAL_MISSING = re.compile(
    r"\b(?:this|these|the following|below|above|attached|my|the) (?:\w+ )?(?:text|article|passage|essay|code|"
    r"paragraph|email|letter|data|table|image|picture|file|document|message|poem|list|report|resume|cv|problem|"
    r"error)\b",
    re.I,
)
_TEXT_ASKED = re.compile(
    r"(?:^|[.!?:;,\n]\s{0,5}|\bplease |\b(?:can|could|would) you |\bhelp me (?:to )?)(?:write|compose|draft|"
    r"create|invent|continue|complete|rewrite|describe|turn|make|act|pretend|imagine)\b",
    re.I,
)
_ABOUT_REQUEST = re.compile(
    r"\b(?:sorry|request\w*|assist\w*|fulfil\w*|AI|chat ?bot|language model|provide|inappropriate|guidelines|"
    r"prompt)\b",
    re.I,
)


class Evasion:
    """An evasive phrase counts only where too little of an answer stands beside it."""

    name = "evasion"

    def check(self, prompt: Prompt, completion: Completion) -> Finding | None:
        """The first kind found, from plain refusal to hedging."""
        asked, text = request(prompt), unquoted(completion.text[:HEAD])
        # In a poem or a letter "I" is somebody else, unless it speaks about the request.
        writes = bool(_TEXT_ASKED.search(asked))
        kinds = (
            ("refuses", _REFUSAL, _REFUSAL_ASKED, _REFUSAL_WORDS),
            ("disclaims instead of answering", _DISCLAIMER, _SELF_ASKED, _ANSWER_WORDS),
            ("says nothing", _NON_ANSWER, _UNKNOWABLE, _ANSWER_WORDS),
            ("asks back instead of answering", _CLARIFICATION, _MATERIAL_MISSING, _ANSWER_WORDS),
        )
        for reason, pattern, fits, enough in kinds:
            match = pattern.search(text)
            if not match or fits.search(asked) or (writes and not _ABOUT_REQUEST.search(text)):
                continue
            if _substance(text, match) < enough:
                return Finding(self.name, 1.0, match.span(), f"{reason}: '{excerpt(match[0].strip(' .,;:!?'))}'")
        return _formulas(asked, text) or _hedging(text)


def _substance(text: str, match: re.Match[str]) -> int:
    """Words outside the evasive phrase, and outside sentences that are evasive or polite formulas themselves."""
    rest = text[: match.start()] + " . " + text[match.end() :]
    formulas = (_REFUSAL, _DISCLAIMER, _NON_ANSWER, _CLARIFICATION, _BOILERPLATE)
    return sum(count_words(s.text) for s in sentences(rest) if not any(f.search(s.text) for f in formulas))


def _formulas(asked: str, text: str) -> Finding | None:
    """Nothing but offers of help, to a request that is no greeting."""
    found = sentences(text)
    polite = [s for s in found if _POLITE.search(s.text)]
    rest = [s for s in found if s not in polite and not _DISCLAIMER.search(s.text) and count_words(s.text) > 1]
    if not polite or rest or _GREETING.search(asked) or count_words(text) < 4:
        return None
    span = (found[0].start, found[-1].end)
    return Finding(Evasion.name, 1.0, span, f"says nothing: '{excerpt(polite[0].text.strip())}'")


def _hedging(text: str) -> Finding | None:
    found = list(_HEDGE.finditer(text))
    share = len(found) / max(1, count_words(text))
    if len(found) < _HEDGES or share < _HEDGE_SHARE or len(_STRONG_HEDGE.findall(text)) < 2:
        return None
    span = (found[0].start(), found[-1].end())
    return Finding(Evasion.name, share / _HEDGE_SHARE, span, f"{len(found)} hedging words in {count_words(text)}")
