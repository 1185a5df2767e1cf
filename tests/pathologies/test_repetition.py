from collections.abc import Callable

import pytest

from harness.pathologies import Finding

Check = Callable[..., Finding | None]

SUDOKU = "\n".join(["5 3 . | . 7 . | . . .", "6 . . | 1 9 5 | . . .", ". 9 8 | . . . | . 6 ."] * 3)
EMPTY_GRID = "\n".join([". . . | . . . | . . ."] * 9)
TABLE = "| Day | Open | Close |\n|---|---|---|\n" + "".join(
    f"| {day} | 9:00 | 17:00 |\n" for day in ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
)
CODE = "```python\n" + "for i in range(3):\n    print(i)\n" * 3 + "```"
HTML = "<table>\n" + "  <tr>\n    <td></td>\n    <td></td>\n  </tr>\n" * 6 + "</table>"
MUSIC = "C C G G | A A G - | F F E E | D D C - |\nG G F F | E E D - | G G F F | E E D - |\n" * 2
CHORDS = "Am F C G | " * 12
VILLANELLE = (
    "Do not go far away from me tonight,\nThe wind is cold, the river runs too deep.\n"
    "Keep, keep the little lantern burning bright.\n"
    "I saw the owls go over, soft and white,\nThe hills were blue with shadow and with sleep.\n"
    "Do not go far away from me tonight.\nThe stars come out, the harbour is in sight,\n"
    "The old have promises to keep.\n"
    "Keep, keep the little lantern burning bright."
)
MULTIPLICATION = "\n".join(f"7 x {i} = {7 * i}" for i in range(1, 13))
LIST = "\n".join(
    f"{i}. {name}" for i, name in enumerate(["Apples", "Pears", "Plums", "Figs", "Dates", "Limes", "Kiwis"], 1)
)
PLAN = "\n".join(
    f"{day}: 30 minutes of {what}."
    for day, what in [
        ("Monday", "walking"),
        ("Tuesday", "swimming"),
        ("Wednesday", "rest"),
        ("Thursday", "walking"),
        ("Friday", "cycling"),
    ]
)
QUESTIONNAIRE = "\n".join(
    f"{i}. How would you rate the {thing} of the hotel?"
    for i, thing in enumerate(["location", "cleanliness", "food", "service", "price", "pool", "quiet"], 1)
)
LONG = (
    "The first railways carried coal from the mines to the rivers. Engineers soon noticed that people were "
    "willing to pay for the journey as well, and within twenty years most towns of some size had a station. Time "
    "itself changed: until then each town had kept its own, set by the sun, and now the clocks had to agree. "
    "Newspapers arrived on the day they were printed, fish came inland while it was fresh, and families who had "
    "never left their valley saw the sea."
)

LOOPS = [
    ("characters", "M" + "m" * 80),
    ("a syllable", "ha" * 40),
    (
        "a word",
        "The answer is very very very very very very very very very very very very very very very very very long",
    ),
    ("a phrase", "You can use a combination of " + "a combination of " * 30),
    ("a sentence", "It steers. " + "What a thoughtful thing to ask. " * 6),
    (
        "three long sentences",
        "Start well. " + "You can also use a small piece of paper to create a small bookmark for the book. " * 3,
    ),
    ("lines", "Dear [Recipient's Name]\n\n" * 12),
    ("a changing number", "".join(f"{i}. Read the chapter about the history of the town.\n" for i in range(1, 9))),
    ("with a full stop at the end", "Skills: " + ", problem-solving, critical thinking" * 6 + "."),
    ("sentences that take turns", "I like the sea a lot. The sea is blue today. " * 4 + "And so on it goes."),
    ("in the middle", LONG[:200] + " It was the best of all times then." * 8 + " " + LONG[200:400]),
    (
        "one thing in circles",
        "The symbol is gold. Gold is the symbol, and the symbol of gold is the symbol for gold, so gold has "
        "the symbol that is the symbol of gold, and the symbol is gold because gold is the symbol.",
    ),
    ("another language", "Ich weiß nicht, was ich dazu sagen soll. " * 6),
    ("Chinese", "我不知道该说什么。" * 12),
    ("marks", "Yes" + "!" * 60),
    (
        "long and nearly the same",
        "".join(
            f"The {a} house on the hill is old and the garden behind it is {b}. "
            for a, b in zip(["red", "blue", "green", "white"] * 3, ["big", "wild"] * 6, strict=True)
        ),
    ),
]
HEALTHY = [
    ("Solve this Sudoku.", SUDOKU),
    ("Print an empty Sudoku grid.", EMPTY_GRID),
    ("Give me the opening hours as a table.", TABLE),
    ("Show me three loops in Python.", CODE),
    ("Write an HTML table with six empty rows.", HTML),
    ("How does Twinkle Twinkle go?", MUSIC),
    ("What do I play for this song?", CHORDS),
    ("Write a villanelle.", VILLANELLE),
    ("Write the seven times table.", MULTIPLICATION),
    ("Name seven fruits.", LIST),
    ("Make me a training plan for a week.", PLAN),
    ("Make a questionnaire for hotel guests.", QUESTIONNAIRE),
    ("Tell me about the first railways.", LONG),
    ("Say hello 20 times.", "hello " * 20),
    ("Repeat the word sea.", "sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea sea"),
    ("What sound does a clock make?", "Tick-tock, tick-tock."),
    ("What is 10 to the power of 30?", "1" + "0" * 30),
    ("How was it?", "It was very, very good. Yes, yes, yes!"),
    (
        "Sing a line for me.",
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.",
    ),
    ("Answer briefly.", "No."),
    ("Draw a line.", "-" * 200),
    (
        "What does the model return?",
        "loss (`torch.Tensor` of shape `(1,)`, optional, returned when `labels` is given): the loss.\n"
        "logits (`torch.Tensor` of shape `(batch_size, length, config.size)`): scores before the softmax.\n"
        "hidden (`torch.Tensor` of shape `(batch_size, length, config.width)`, optional): the states of all layers.\n"
        "attentions (`torch.Tensor` of shape `(batch_size, config.heads, length)`, optional): the weights.",
    ),
    (
        "Where do the names come from?",
        "\n".join(f"from shop.{name} import {name.title()}" for name in ("stock", "order", "price", "store", "sale")),
    ),
    (
        "Table of contents, please.",
        "Chapter one " + "." * 40 + " 5\nChapter two " + "." * 40 + " 9",
    ),
]


@pytest.mark.parametrize("text", [text for _, text in LOOPS], ids=[name for name, _ in LOOPS])
def test_flags_loops(check: Check, text: str) -> None:
    assert check("repetition", "Tell me about it.", text)


@pytest.mark.parametrize(("prompt", "text"), HEALTHY)
def test_leaves_texts_that_repeat_by_nature(check: Check, prompt: str, text: str) -> None:
    assert check("repetition", prompt, text) is None


def test_single_letters_loop_only_where_the_text_never_ended(check: Check) -> None:
    text = "You should write " + '"A: ' * 40
    assert check("repetition", "How do I address an envelope?", text, finish_reason="length")
    assert check("repetition", "How do I address an envelope?", text, finish_reason="eos") is None


def test_span_is_the_loop(check: Check) -> None:
    text = "Healthy start of the answer here. " + "and then we go " * 10
    finding = check("repetition", "Tell me.", text)
    assert finding is not None
    assert finding.span[0] == text.index("and then")
    assert finding.span[1] == len(text.rstrip())


def test_a_long_text_is_judged_by_its_end(check: Check) -> None:
    words = " ".join(f"word{i}" for i in range(20_000))
    assert check("repetition", "Tell me.", words) is None
    finding = check("repetition", "Tell me.", words + " over and out" * 30)
    assert finding is not None
    assert finding.span[0] >= len(words)
