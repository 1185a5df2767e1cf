from collections.abc import Callable

import pytest

from harness.pathologies import Finding

Check = Callable[..., Finding | None]

BROKEN = [
    ("empty", ""),
    ("white space", " \n\t "),
    ("marks only", "... !!! ---"),
    ("a template token", "The sky is blue.<|im_end|>"),
    ("the start of a turn", "Blue.\n<|im_start|>user\nAnd the sea?"),
    ("an instruction tag", "Blue. [INST] And the sea? [/INST]"),
    ("an end token", "The sky is blue.</s>"),
    ("an instruction header", "Blue.\n### Instruction:\nName the colour of the sea."),
    ("mojibake", "The cafÃ© near the sea is donâ€™t know."),
    ("replacement characters", "The sky is \ufffd\ufffd blue."),
    ("a lone surrogate", "The sky is \ud83d blue."),
    ("NUL", "The sky\x00 is blue."),
    ("the user's next turn", "The sky is blue.\nUser: And what colour is the sea?\nAssistant: Blue too."),
    ("a bare role", "The sky is blue.\nuser\nWhat about the sea?"),
    ("another script", "The sky is blue потому что воздух рассеивает свет."),
    ("Chinese", "天空是蓝色的，因为空气散射蓝光。"),
    ("token soup", "zKvrt Qplmn xxtrv Wqrtz bbnmk Lkjhg fdsaq Zxcvb plkmn Trwqz mnbvc Rtyhg vcxzq Hjklp wrtpq"),
    (
        "words without a sentence",
        "table river seven quickly Boston engine purple wander silver thirty market falling window garden "
        "music bottle running Denver orange paper system mountain coffee later bright",
    ),
    ("one endless word", "The answer is " + "blueskyandseaandwater" * 5),
]
HEALTHY = [
    ("Why is the sky blue?", "Air scatters blue light most."),
    ("What is 2 + 2?", "4"),
    ("React with one emoji.", "🎉"),
    ("Which sign means infinity?", "∞"),
    ("Translate 'sky' into Russian.", "небо"),
    ("Почему небо синее?", "Потому что воздух рассеивает синий свет."),
    ("Why is π irrational?", "Suppose that π = a/b; then αβγ leads to a contradiction, as Niven showed in 1947."),
    ("What is Tokyo called in Japan?", "Tokyo (東京) means eastern capital."),
    ("What does the ChatML chat template look like?", "<|im_start|>user\nHello<|im_end|>"),
    ("How do I strike out text in HTML?", "Use `<s>text</s>`."),
    ("Write a dialogue with a user.", "User: Hello there my friend.\nAssistant: Hello!"),
    ("What is in the config?", "Host: example.org\nUser: admin\nPort: 22"),
    (
        "Напиши функцию на Питоне.",
        "Вот она:\n```python\ndef add_numbers(first, second):\n    return first + second\n```",
    ),
    (
        "Apa ibu kota Indonesia?",
        "Ibu kota negara kita adalah Jakarta yang terletak pada pulau Jawa bagian barat serta sangat "
        "ramai setiap hari karena jutaan penduduk bekerja serta tinggal bersama keluarga masing masing",
    ),
    ("Which roles are there?", "There are three roles.\nUser: a person who reads the pages.\nEditor: one who writes."),
    ("Pourquoi le ciel est-il bleu ?", "Parce que l'air diffuse surtout la lumière bleue; c'était déjà connu."),
    (
        "List some animals.",
        "Dog, cat, horse, cow, sheep, goat, pig, duck, goose, hen, lion, tiger, bear, wolf, fox, deer, moose, "
        "mouse, rat, bat, owl, hawk, crow, swan, seal",
    ),
    ("Name some Python methods.", "Try readLine, getItem, setValue, addNode and runLoop in your class."),
    ("What is the longest word?", "Pneumonoultramicroscopicsilicovolcanoconiosis is a long one."),
    ("Which link?", "See https://example.org/" + "abcdefgh" * 10 + "/page for it."),
    ("How do you scream?", "Aaaaaargh!"),
    ("Which agencies exist?", "NASA, ESA, CNES, DLR, JAXA, ISRO, CNSA and UKSA all run missions."),
    (
        "What is a haiku?",
        "古池や is how Basho's haiku begins, and the frog jumps into the water of the old pond right after it.",
    ),
    (
        "How do I load the settings?",
        "from pathlib import Path\nfrom dataclasses import dataclass\nimport tomllib\n\n@dataclass\nclass Settings:\n"
        "    host: str\n    port: int\n\ndef load_settings(path: Path) -> Settings:\n"
        "    table = tomllib.loads(path.read_text())\n"
        '    return Settings(host=table["host"], port=int(table["port"]))\n\n'
        "def save_settings(path: Path, settings: Settings):\n"
        '    path.write_text(f"host = {settings.host!r}\\nport = {settings.port}")',
    ),
    (
        "Why are my builds slow?",
        "The venv is rebuilt from scratch every time, because the venv folder is not cached: cache it between "
        "runs, and rebuild the venv only when the lock file changes. A venv is cheap to copy.",
    ),
]
SALAD = (
    "Ships cannot move through oceans, contrary to gravity proposes that slavery was one of planet mystery issues "
    "while bees play adds to calculate all human violations and expanding fishing into our backyard takes stocks "
    "determined neither compact universe dusted nor plainly wearing cupboards of rejoicing thermal."
)
PANCAKES = {
    "Swedish": (
        "Hur gör man pannkakor?",
        "Det är enkelt att göra. Blanda mjöl och mjölk till en slät smet, vispa i äggen, och låt den vila. Stek dem i "
        "smör på medelhög värme tills de är gyllene, och servera med sylt som barnen tycker om.",
    ),
    "Polish": (
        "Jak się robi naleśniki?",
        "To nie jest trudne. Wymieszaj mąkę z mlekiem oraz jajkami, tak że ciasto jest gładkie. Po godzinie smaż je na "
        "patelni przez minutę z każdej strony, jak lubisz, i podawaj z dżemem, który jest dla dzieci.",
    ),
    "Turkish": (
        "Krep nasıl yapılır?",
        "Un, süt ve yumurta ile bir hamur yapın. Sonra tavada her iki taraf için bir dakika kadar pişirin. Bu çok "
        "kolay değil ama güzel bir tatlı gibi olur, ve çocuklar için de iyi.",
    ),
}


@pytest.mark.parametrize("text", [text for _, text in BROKEN], ids=[name for name, _ in BROKEN])
def test_flags_what_is_no_text(check: Check, text: str) -> None:
    assert check("degeneration", "Why is the sky blue?", text)


@pytest.mark.parametrize(("prompt", "text"), HEALTHY)
def test_leaves_text(check: Check, prompt: str, text: str) -> None:
    assert check("degeneration", prompt, text) is None


def test_a_character_cut_by_the_token_limit_is_no_fault(check: Check) -> None:
    assert check("degeneration", "Why?", "The sky is blue \ufffd", finish_reason="length") is None
    assert check("degeneration", "Why?", "The sky is blue \ufffd", finish_reason="eos")


def test_what_the_prompt_itself_contains_is_no_leak(check: Check) -> None:
    assert check("degeneration", "What does <|im_end|> do?", "The token <|im_end|> ends a turn.") is None


def test_flags_fluent_word_salad(check: Check) -> None:
    finding = check("degeneration", "Can ships sail on the Moon?", SALAD)
    assert finding is not None and finding.kind == "gibberish"


@pytest.mark.parametrize("language", PANCAKES)
def test_other_languages_are_answers_where_they_were_asked_for(check: Check, language: str) -> None:
    prompt, text = PANCAKES[language]
    assert check("degeneration", prompt, text) is None
    assert check("degeneration", "How do I make pancakes?", text)
    english = (
        "Mix flour, milk and eggs into a smooth batter, let it rest, and fry thin pancakes in butter until golden."
    )
    assert check("degeneration", prompt, english)


def test_a_loop_of_three_that_the_limit_cuts_has_not_run_away(check: Check) -> None:
    once = "I will gladly help you find an opening line that nobody has read before."
    text = f"A good line sets the tone of all that follows. {once} Every reader wants one. {once} I will gladly"
    assert check("repetition", "How does a novel begin?", text, finish_reason="length")
    assert check("repetition", "How does a novel begin?", text) is None
    assert check("degeneration", "How does a novel begin?", text, finish_reason="length") is None
