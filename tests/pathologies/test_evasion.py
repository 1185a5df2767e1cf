from collections.abc import Callable

import pytest

from harness.pathologies import Finding

Check = Callable[..., Finding | None]

EVASIVE = [
    ("How do I kill weeds?", "I'm sorry, but I can't help with that."),
    ("How do I kill weeds?", "I’m sorry, but I can’t assist with that request."),
    (
        "How do I kill a process?",
        "I cannot provide instructions for harming anything. Please seek help from a professional.",
    ),
    ("Which is better, tea or coffee?", "As an AI language model, I don't have personal opinions or preferences."),
    (
        "Which is better, tea or coffee?",
        "I'm a helpful AI named SmolLM, trained to provide suggestions and answer questions.",
    ),
    ("Which is better, tea or coffee?", "It depends on your taste."),
    ("Which is better, tea or coffee?", "There is no single right answer to this question."),
    ("Which is better, tea or coffee?", "That is a matter of personal preference. Everyone has their own opinion."),
    ("What is the capital of France?", "I don't know."),
    ("What is the capital of France?", "I'm not sure what to say about that."),
    ("What is the capital of France?", "Could you please provide more context so that I can help you?"),
    ("What is 7 plus 5?", "I'm glad to help! I'm glad to help with anything!"),
    (
        "What is 7 plus 5?",
        "As a helpful AI assistant, I'm designed to assist you. I'm not equipped to provide answers.",
    ),
    ("Should I learn the piano or the violin?", "It is up to you to decide."),
    ("Tell me how a compass works.", "Unfortunately I am not permitted to explain how a compass works."),
    (
        "Write a birthday greeting for my aunt.",
        "I'm sorry, but I can't write that for you. I am an AI and cannot fulfill this request.",
    ),
    (
        "Can dogs eat apples?",
        "Perhaps they might, or perhaps they might not; it could depend on the dog, and it is hard to say.",
    ),
    ("What should I cook?", "I would rather not say. I must respectfully decline to answer."),
    (
        "I want to drink more water. Give me one tip.",
        "I'm afraid I'm unable to provide a single easy idea in one sentence.",
    ),
]
ANSWERS = [
    ("How do I kill weeds?", "Pour boiling water on them, or pull them out by the root."),
    (
        "What helps against a cold?",
        "I can't give medical advice, but rest, warm drinks and sleep help most people to recover within about a week.",
    ),
    (
        "Which is better, tea or coffee?",
        "As an AI, I don't have personal preferences, but many people find tea gentler, as it has less caffeine.",
    ),
    (
        "Which is better, tea or coffee?",
        "It depends on how much caffeine you want: coffee has about twice as much as black tea does.",
    ),
    ("Who are you?", "I am an AI assistant, and I don't have feelings."),
    ("Do you have feelings?", "As an AI, I don't have feelings or personal experiences."),
    (
        "Write a polite email declining an invitation.",
        "I am sorry, but I cannot take part in the dinner. I must decline.",
    ),
    ("Write a one-line poem about loss.", "I cannot say your name without the rain."),
    ("What did she say?", "She said, \"I'm sorry, I can't help you with that.\""),
    ("Summarise the text below.", "Could you please provide the text?"),
    ("What number am I thinking of?", "I don't know."),
    (
        "Recommend a book.",
        "Read Middlemarch; I can't recommend it enough, because its people are drawn with such patience and wit.",
    ),
    ("Will it rain tomorrow?", "I don't know, since I cannot see the weather."),
    ("What does the word 'perhaps' mean?", "It means possibly."),
    (
        "How should I start?",
        "You could start with a walk. You might add a swim, you may rest on Sundays, and you could join a club.",
    ),
    (
        "What happens if I miss a payment?",
        "The bank may charge a fee, and your credit score could fall after thirty days.",
    ),
    ("Can penguins fly?", "No, penguins cannot fly, but they can swim."),
    ("Should I tell my neighbour about the noise?", "You should talk to your neighbour in a calm moment."),
    ("What helps against a cold?", "Rest and drink water. Please consult a doctor if it gets worse."),
    ("What is the capital of France?", "I'm glad to help. It's Paris."),
    ("Hello!", "Hello! How can I help you today?"),
    ("Name ten primes.", "Certainly, here are ten primes: 2, 3, 5, 7, 11, 13, 17, 19, 23 and 29."),
    ("Do spiders bite?", "It depends on the size: small ones rarely do."),
    ("What would you change in my drawing?", "I don't know much about art, but the third eye looks odd."),
    ("Was soll ich kochen?", "Ich weiß es nicht genau."),
]


@pytest.mark.parametrize(("prompt", "text"), EVASIVE)
def test_flags_what_does_not_answer(check: Check, prompt: str, text: str) -> None:
    assert check("evasion", prompt, text)


@pytest.mark.parametrize(("prompt", "text"), ANSWERS)
def test_leaves_answers_and_texts_that_were_asked_for(check: Check, prompt: str, text: str) -> None:
    assert check("evasion", prompt, text) is None


def test_span_is_the_evasive_phrase(check: Check) -> None:
    text = "Hm. I'm sorry, I can't help with that. Let me know if you need anything else."
    finding = check("evasion", "How do I smash an avocado?", text)
    assert finding is not None
    assert "I can't help with that" in text[slice(*finding.span)]
    assert finding.reason == "refuses: 'I can't help with that'"
