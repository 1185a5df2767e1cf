"""Verbosity: longer than the prompt needs, cut off where a short answer was asked, or padded."""

import re

from ..items import Prompt
from .finding import Finding, finding
from .plausibility import NO_WORDS, SALAD, jumble, may_be_salad, salad
from .repetition import Repetition
from .structure import prose
from .text import Analysis, Span, alternatives, count_words, excerpt, measure, request, sentences, words
from .wording import features, model

_OPEN_LIMIT = 1_200
"""Words, where the prompt asks for no length; long healthy answers stay well below."""
_FACT_LIMIT = 100
"""Words around one fact."""
_SHORT_LIMIT = 200
"""Up to this many words the prompt asked for something short; running into the token limit is then a failure."""
_PADDING_SHARE = 0.33
"""Of the words; a polite closing beside an answer stays below."""
_LOG_ODDS = 0.5
_GUESSED_LEAST, _ALL = 3, 0.9
_LONGEST_GUESSED = 1_200
"""Characters; in longer texts only what is known to be padding counts."""
_RESTATED_SHARE = 0.8
_LEAST_QUESTION = 4
_LEAST_SENTENCE = 4
"""Words; "e.g." and "No. 5" cut sentences too finely."""
_COUNTED = 2_000
_WORDS = "one two three four five six seven eight nine ten"
_NUMBERS = {word: number for number, word in enumerate(_WORDS.split(), 1)}
_NUMBER = rf"(\d{{1,4}}|a single|an?|{'|'.join(_NUMBERS)})"

_LONG_FORM = re.compile(
    r"\b(?:essays?|articles?|stor(?:y|ies)|reports?|chapters?|blog|in (?:great )?detail|detailed|in depth|long|"
    r"comprehensive|complete|full|guide|tutorial|step[- ]by[- ]step|code|program|function|script|speech|plan)\b",
    re.I,
)
_WORD_LIMIT = re.compile(
    r"\b(?:at most|no more than|not more than|fewer than|less than|under|up to|max(?:imum)?(?: of)?|within|in|"
    rf"about|around|exactly|only|just) {_NUMBER} words?\b|\b(\d{{1,4}}) words? (?:or (?:less|fewer)|max\w*|at most)\b|"
    r"\b(?:a|an) (\d{1,4})[- ]word\b",
    re.I,
)
_SENTENCE_LIMIT = re.compile(
    rf"\b(?:in|with|into|to|using|within|give(?: me)?|write(?: me)?)(?: "
    rf"(?:just|only|exactly|about|at most|no more than))? {_NUMBER}(?: (?:short|simple|brief|clear|plain|single))* "
    rf"sentences?\b|\b{_NUMBER}-sentence\b|\b{_NUMBER}(?: short| brief| single)? sentences?(?:,? (?:please|only|"
    rf"max\w*|at most))?[.!]?\s*\Z",
    re.I,
)
_FEW_WORDS = re.compile(
    r"\b(?:one[- ]word|in a word|a single word|(?:a )?few words|yes or no|yes/no|true or false|"
    r"(?:just|only) (?:the|a|an?) (?:number|name|word|answer|letter|year|date|result)|"
    r"with (?:the|a) (?:number|name|word|letter|year|single \w+)(?: only|(?=[.!]|\Z)))",
    re.I,
)
_FEW = (("one", 8), ("single", 8), ("yes", 25), ("true", 25), ("", 50))
"""Words around the few that were asked for."""
_BRIEF = re.compile(
    r"\b(?:briefly|in brief|short answer|be (?:brief|concise|short)|keep it (?:short|brief)|concisely|in short|"
    r"tl;?dr)\b",
    re.I,
)
_SHORT_TEXT = re.compile(
    r"\b(?:slogan|tagline|tweet|one[- ]liner|haiku|a (?:short |good |catchy )?(?:title|headline|caption|pun|motto)|"
    r"one (?:tip|idea|reason|example|fact|word|name|thing|synonym|antonym|benefit|way)|"
    r"a (?:synonym|antonym|fun fact|one-sentence\b.{0,20}))\b",
    re.I,
)
_REASONS_TOO = re.compile(
    r"\b(?:explain|why|reasons?|justify|details?|describe|discuss|how (?:does|do|did|can))\b", re.I
)
_FACT = re.compile(
    r"\A\W*(?:(?:hi|hello|hey|please|quick question|and|so|ok|tell me)\W+){0,2}(?:who (?:is|was|wrote|invented|"
    r"painted|won|"
    r"discovered|directed|sang|composed|founded)\b|when (?:is|was|did|does|will)\b|where (?:is|was|are)\b|"
    r"(?:in |on )?(?:what|which) (?:year|day|month|date|country|city|planet|element|number|continent|color|colour|"
    r"language|currency|animal|river|ocean|organ|gas|metal|is the (?:capital|name|population|currency|symbol|"
    r"largest|smallest|biggest|longest|tallest|highest|chemical|square root|boiling|freezing|sum|product|plural|"
    r"past tense|opposite|area|speed of|distance))\b|how (?:many|much|old|tall|far|long|big|high|deep|fast|heavy)\b|"
    r"what(?:'s| is) (?:\d|(?:the|a|an) (?:\w+ )?(?:capital|square root|boiling|freezing|largest|plural|opposite|"
    r"past tense|synonym|"
    r"antonym|temperature|size|word|name|abbreviation|difference in|formula|symbol|currency|time|date|deadline|key|"
    r"shortcut)\b)|"
    r"(?:what|which) (?:\w+ )?(?:key|temperature|size|button|setting|command|word|letter|colou?r|shortcut)\b|"
    r"what does (?:the )?\S+(?: in \S+)? (?:stand for|mean)|(?:convert|rephrase|spell|abbreviate|round|add|multiply|"
    r"subtract|"
    r"divide|capitali[sz]e|reword)\b|where (?:do|can) i (?:find|see|get|change)\b|is \w+ (?:a|an|the)\b|"
    r"(?:is|are|does|do|did|was|were|can|has|have) (?:\w+ ){1,5}\w+\?\W*\Z)",
    re.I,
)
_REPETITION = Repetition()
_LETTER_ASKED = re.compile(
    r"\b(?:write|draft|compose|create|rewrite|rephrase|reply|phrase|respond)\b[^.?!]{0,60}\b(?:e-?mails?|letters?|"
    r"messages?|"
    r"invitations?|notes?|replies|response|cards?|speech|posts?|announcements?|reminder|to)\b",
    re.I,
)
"""Courtesies belong to them."""
_TEXT_ASKED = re.compile(r"\b(?:write|compose|draft|reply|respond|rewrite|continue|invent|lyrics|story|essay)\b", re.I)
_FACT_WORDS = 20
"""A longer question asks for more than a fact."""

_OPENING = r"^\W*(?:(?:well|so|okay|ok|sure|certainly|of course|absolutely|now|first of all|and|but|finally)\b[,!. ]*)?"
_FILLER = re.compile(
    _OPENING
    + alternatives(
        (
            r"(?:and )?as (?:i|we|you)(?: have| just| can| may| might| already)* (?:said|mentioned|noted|explained|"
            r"stated|see|"
            r"know|imagine)\b",
            r"as (?:mentioned|noted|stated|said|explained|discussed|outlined)(?: (?:above|before|earlier|"
            r"previously))?\b",
            r"it(?:'s| is) (?:also )?(?:always )?(?:important|worth|essential|crucial|interesting|useful|good|vital|"
            r"necessary) "
            r"(?:to (?:note|remember|understand|mention|keep in mind|say|consider|recognize|acknowledge|realize)|"
            r"noting|mentioning|remembering)\b",
            r"(?:in (?:conclusion|summary|closing|other words|essence|short|general|the end)|"
            r"to (?:sum|summari[sz]e|conclude|recap|put it simply|reiterate)|all in all|overall|at the end of the day|"
            r"when all is said and done|that is to say|put differently|to put it (?:another way|differently)|"
            r"needless to say|generally speaking|without further ado|simply put|when it comes to|with (?:that|this) "
            r"(?:being )?said|having said (?:that|this))\b",
        )
    )
)
"""They open sentences that may well say something; only they themselves are padding, and second summaries."""
_SUMMARY = re.compile(
    _OPENING + r"(?:in (?:conclusion|summary|closing|short|essence)|to (?:sum|summari[sz]e|conclude|recap|reiterate)|"
    r"all in all|overall|put differently|in other words|that is to say)\b"
)
_EMPTY = re.compile(
    _OPENING
    + alternatives(
        (
            r"(?:so )?you(?:(?:'ve| have)? asked| ask| are asking|(?:'d| would)? (?:like|want) to know|"
            r"(?:'re| are) (?:asking|wondering|looking|curious))\b",
            r"(?:the|your|this|that) question (?:is|asks|here|of|about|concerns|that you|you)\b",
            r"(?:in|with) this (?:answer|response|reply|explanation|article|post|message|section)\b",
            r"i(?: will|'ll| am going to|'m going to| shall| would like to|'d like to| want to) (?:now |first |"
            r"try to |also |do "
            r"my best to )*(?:explain|answer|provide|discuss|describe|go over|tell you|begin|start|give|address|"
            r"share|walk|"
            r"explore|break|look)\b",
            r"let(?: me|'s| us) (?:start|begin|explain|break|take a|dive|explore|look at|think about|delve|first|now|"
            r"summari[sz]e|recap|walk|go over|see|consider)\b",
            r"before (?:i|we) (?:answer|begin|start|dive|get|go|can)\b",
            r"(?:in order )?to (?:answer|address) (?:this|that|your|the) question\b",
            r"(?:to (?:answer|understand) this,? )?(?:we|i) (?:need to|must|have to|should|will) (?:first )?"
            r"(?:understand|look|consider|think|start|know|define)\b",
            r"there (?:are|is) (?:so )?(?:many|several|a lot of|various|much|a number of|countless|numerous) "
            r"(?:different |important |possible )?(?:ways|things|aspects|factors|sides|points|elements|considerations) "
            r"(?:to|that|of|about|in|we|you|which)\b",
            r"(?:i|we)(?: (?:sincerely|truly|really|do))? hope (?:this|that|these|it|my|you|i)\b[^.!?]{0,60}",
            r"(?:please )?(?:let me know|feel free|(?:do not|don't) hesitate)\b",
            r"(?:and )?(?:please )?(?:if you|should you) (?:(?:ever |still )?(?:have|need|want|would like|'d like|"
            r"are) )"
            r"(?:to know |some |a )?(?:any|more|further|other|additional|another|anything|interested)\b",
            r"i(?:'m| am| will| would|'ll|'d)(?: be| always)* (?:always )?(?:more than |very |so )?(?:happy|glad|"
            r"here|delighted|"
            r"pleased) to (?:help|answer|assist|provide|explain|share)\b",
            r"(?:this|that|it)(?:'s| is) (?:such )?(?:a|an) (?:\w+,? ){0,3}?(?:topic|question|subject|matter)\b",
            r"(?:people|humans|many people|everyone) (?:have|has) (?:\w+ )?(?:wondered|asked|thought|"
            r"been)\b[^.!?]{0,40}"
            r"(?:for (?:a long time|centuries|ages|years|generations)|throughout history)",
            r"(?:thank you|thanks)(?: so much| very much)? for (?:your|asking|reading|this|the)\b",
            r"have a (?:great|nice|wonderful|lovely|good) \w+",
            r"(?! ?it\b)[\w' -]{3,60} (?:is|are) (?:an? |one of the |very |also )*(?:essential|important|crucial|"
            r"vital|most (?:\w+ )?"
            r"(?:important|essential|common|popular|useful)|handy|fascinating|must(?: for)?|key|popular|"
            r"useful)\b[^.!?]*",
            r"(?:choosing|finding|storing|knowing|saving|taking|making|learning|understanding|cooking|"
            r"writing) [^.!?]{3,60} "
            r"(?:can|could|may|will) (?:be|help|make)\b",
            r"whether you(?:'re| are)\b|you may be wondering|when you(?:'re| are| have) (?:done|finished)|"
            r"by (?:keeping|following|doing)\b|"
            r"(?:before|when) (?:you|choosing|buying)\b[^.!?]{0,60}\b(?:should|important|consider|ask yourself)\b",
            r"(?:this|these|that) (?:kind|type|sort|knowledge|skill)s? [^.!?]{0,40}(?:come in handy|useful|helpful)\b",
            r"(?:different|various) [\w ]{2,30} (?:call for|require|need|on how)\b|experts agree\b|nothing is more\b|"
            r"(?:fortunately|luckily|thankfully)\b",
        )
    )
)


class Verbosity:
    """Length against the prompt's need (`max_words`, its reference, else what its wording asks for), and padding."""

    name = "verbosity"

    def check(self, analysis: Analysis) -> Finding | None:
        """Too long first: it is the plainest reason."""
        return _too_long(analysis) or _too_many_sentences(analysis) or _cut_off(analysis) or _padded(analysis)


def word_limit(prompt: Prompt) -> int | None:
    """The most words that answer what the prompt asks for, generously; None where it asks for no length."""
    if prompt.max_words is not None:
        return prompt.max_words
    asked = request(prompt)
    if "word" in asked and (found := _WORD_LIMIT.search(asked)):
        number = _number(next(filter(None, found.groups())))
        return number * 5 // 4 + 5
    if "sentence" in asked and (found := _SENTENCE_LIMIT.search(asked)):
        return 30 * _number(next(filter(None, found.groups()))) + 30
    if (found := _FEW_WORDS.search(asked)) and not _REASONS_TOO.search(asked):
        return next(limit for pattern, limit in _FEW if pattern in found[0].lower())
    if _BRIEF.search(asked):
        return 150
    one_fact = _FACT.match(asked) and len(asked.split()) <= _FACT_WORDS
    short = one_fact or _SHORT_TEXT.search(asked)
    return _FACT_LIMIT if short and not _LONG_FORM.search(asked) and not _REASONS_TOO.search(asked) else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else _NUMBERS.get(text.lower(), 1)


def _limit(analysis: Analysis) -> int | None:
    limit = word_limit(analysis.prompt)
    if limit is None and len(analysis.text) >= 2 * _OPEN_LIMIT and not _LONG_FORM.search(analysis.asked):
        return _OPEN_LIMIT
    return limit


def _is_guess(analysis: Analysis, limit: int) -> bool:
    """Whether the limit is what such prompts need, not what this one says."""
    return limit in (_FACT_LIMIT, _OPEN_LIMIT) and analysis.prompt.max_words is None


def _too_long(analysis: Analysis) -> Finding | None:
    text = analysis.text
    limit = _limit(analysis)
    # A word and its space take two characters at least.
    if limit is None or len(text) < 2 * limit:
        return None
    count, beyond, end = measure(text, limit)
    if count <= limit:
        return None
    if _is_guess(analysis, limit) and _REPETITION.check(analysis):
        return None  # A loop is too long for any prompt, and no sign of verbosity.
    if unreadable(analysis):
        return None
    # The evidence is what stands beyond the limit.
    reason = f"{count} words, where at most {limit} answer the prompt"
    return finding(Verbosity.name, "too_long", analysis, (beyond, end), reason, score=count, threshold=limit)


def unreadable(analysis: Analysis) -> bool:
    """Gibberish is no answer of any length."""
    if not may_be_salad(analysis.words):
        return False
    found = salad(prose(analysis.plain))
    return (found is not None and found[0] >= SALAD) or jumble(analysis.plain) >= NO_WORDS


def _cut_off(analysis: Analysis) -> Finding | None:
    if not analysis.cut or (limit := word_limit(analysis.prompt)) is None or limit > _SHORT_LIMIT:
        return None
    if unreadable(analysis):
        return None
    # A token limit below the asked length says nothing about the model.
    tokens = analysis.completion.tokens
    if tokens <= limit or (_is_guess(analysis, limit) and _REPETITION.check(analysis)):
        return None
    reason = f"not ended after {tokens} tokens, where at most {limit} words answer the prompt"
    return finding(
        Verbosity.name, "not_ended", analysis, (0, len(analysis.text)), reason, score=tokens, threshold=limit
    )


def _too_many_sentences(analysis: Analysis) -> Finding | None:
    """Three and more where one was asked for, half as many again where several were."""
    found = _SENTENCE_LIMIT.search(analysis.asked) if "sentence" in analysis.asked else None
    if not found:
        return None
    limit = _number(next(filter(None, found.groups())))
    said = [s for s in sentences(analysis.text[:_COUNTED]) if len(s.text.split()) >= _LEAST_SENTENCE]
    threshold = max(limit + 2, limit * 3 // 2 + 1)
    if len(said) < threshold:
        return None
    reason = f"{len(said)} sentences, where {limit} were asked for"
    span = (said[limit].start, said[-1].end)
    return finding(Verbosity.name, "too_long", analysis, span, reason, score=len(said), threshold=threshold)


def _padded(analysis: Analysis) -> Finding | None:
    if _LETTER_ASKED.search(analysis.asked):
        return None
    padding, most, summaries, count, guessed = 0, 0, 0, 0, 0
    evidence: Span | None = None
    short = len(analysis.text) <= _LONGEST_GUESSED
    question = _last_question(analysis) if "?" in analysis.plain else None
    for sentence, lower in zip(analysis.sentences, analysis.lower_sentences, strict=True):
        empty = _EMPTY.match(lower) or (question and _restates(lower, question))
        filler = None if empty else _FILLER.match(lower)
        summaries += bool(filler and _SUMMARY.match(lower))
        known = empty or (filler and summaries > 1)
        whole = known or (short and padding_odds(lower) >= _LOG_ODDS)
        said = len(lower.split()) if whole else count_words(filler[0]) if filler else 0
        padding, count, guessed = padding + said, count + bool(said), guessed + bool(whole and not known)
        if said > most:
            most, evidence = said, sentence
    share = padding / max(1, len(analysis.plain.split()))
    if evidence is None or count < 2 or share < _PADDING_SHARE:
        return None
    # What says nothing from end to end, praises or loops fails in another way.
    if guessed and (count < _GUESSED_LEAST or share > _ALL or not _answers(analysis)):
        return None
    reason = f"{share:.0%} of the answer is padding, such as '{excerpt(evidence.text)}'"
    span = (evidence.start, evidence.end)
    return finding(Verbosity.name, "padding", analysis, span, reason, score=share, threshold=_PADDING_SHARE)


def _answers(analysis: Analysis) -> bool:
    evasive = model("evasion").score(features(analysis.lower)) >= 0
    return not evasive and not _TEXT_ASKED.search(analysis.asked) and _REPETITION.check(analysis) is None


def padding_odds(lower: str) -> float:
    """Log-odds that a sentence (lower case) says nothing; very low for a short one."""
    return model("verbosity").score(features(lower)) if lower.count(" ") >= _LEAST_SENTENCE else -9.0


def _last_question(analysis: Analysis) -> frozenset[str] | None:
    """The words of the question, where it is long enough to be told from its answer."""
    asked = [s.text for s in sentences(analysis.asked[-1_000:]) if s.text.endswith("?")]
    found = _plain(asked[-1]) if asked else frozenset()
    return found if len(found) >= _LEAST_QUESTION else None


def _restates(text: str, question: frozenset[str]) -> bool:
    """Nearly all the question's words, in a question of its own."""
    if not text.endswith("?"):
        return False
    said = _plain(text)
    return len(said & question) >= _RESTATED_SHARE * len(question) and len(said - question) <= 3


def _plain(text: str) -> frozenset[str]:
    return frozenset(word.text.lower() for word in words(text))
