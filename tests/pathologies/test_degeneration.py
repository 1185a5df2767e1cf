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
]


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
