"""What both sides of the comparison with TRL share: models, tokenizer, data, cases, and digests of weights."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("llama", "qwen2", "gpt2")
BATCH_SIZE = 4
MAX_LENGTH = {"plain": 256, "chat": 60}
"""In tokens; 60 cuts some of the chats and drops one."""
STEPS, LEARNING_RATE = 20, 2e-3
LORA = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ("<|end|>", "<|user|>", "<|assistant|>", "<|system|>")
MERGES = (("t", "h"), ("th", "e"), ("Ġ", "b"), ("Ġ", "the"), ("i", "n"))

PLAIN = (
    ("The sky is", " blue.", " green, in the main."),
    ("Two and two make", " four", " five, I think, but then I never was good at sums"),
    ("A bird ", "builds a nest.", "sings"),  # the space merges with the chosen side, and not with the other
    ("In the beginning there was the word, and the word was with", " God.", " child"),
    ("Q: Where?\nA:", " Here.", " There, behind the house."),
    ("1, 2, 3,", " 4, 5, 6", " 4"),
    ("Ünï", "cödé ✓", "code"),
)
CHATS = (
    (("user", "What is the sky?"), "Blue.", "Green, in the main."),
    (("user", "Two and two?"), "Four, as far as anybody knows, and no more than that.", "Five"),
    (("system", "Be brief.", "user", "Hi"), "Hello.", "Well, hello there, how are you doing today, my friend?"),
    (("user", "This question is far too long, " * 3), "Yes.", "No."),
    (("user", "Say a.", "assistant", "a", "user", "Now b."), "b", "c"),
    (("user", "Where?"), "Here.", "There, behind the house."),
    (("user", "Ünï?"), "cödé ✓", "code"),
)


@dataclass(frozen=True)
class Case:
    """An Objective of ours, and what TRL calls it."""

    objective: str
    trainer: str = "DPO"
    config: Mapping[str, Any] = field(default_factory=dict)
    """For TRL's config class, beside `hyper`."""
    hyper: Mapping[str, float] = field(default_factory=dict)
    """Our hyperparameters."""
    names: Mapping[str, str] = field(default_factory=dict)
    """TRL's names of those that are called otherwise there; none: not a setting of its own."""
    micro: int = BATCH_SIZE
    """The largest batch in which TRL's loss is ours."""

    @property
    def columns(self) -> str:
        return {"KTO": "labels", "SFT": "demonstrations"}.get(self.trainer, "pairs")

    def trl_settings(self) -> dict[str, Any]:
        renamed = {self.names.get(name, name): value for name, value in self.hyper.items()}
        return {**{name: value for name, value in renamed.items() if name}, **self.config}


CASES = (
    Case("dpo", hyper={"beta": 0.1}),
    Case("cdpo", config={"loss_type": ["aot"]}, hyper={"beta": 0.2, "label_smoothing": 0.2}, micro=1),
    Case("robust", config={"loss_type": ["robust"]}, hyper={"beta": 0.1, "label_smoothing": 0.2}),
    Case("hinge", config={"loss_type": ["hinge"]}, hyper={"beta": 0.1}),
    Case("ipo", config={"loss_type": ["ipo"]}, hyper={"beta": 2.0}),
    Case("dpo_norm", config={"loss_type": ["sigmoid_norm"]}, hyper={"beta": 5.0}),
    Case(
        "dpo_sft",
        config={"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]},
        hyper={"beta": 0.2, "sft_weight": 0.5},
        names={"sft_weight": ""},
    ),
    Case("kto", "KTO", hyper={"beta": 0.2, "desirable_weight": 1.5, "undesirable_weight": 0.7}),
    Case("orpo", "ORPO", hyper={"beta": 0.5}),
    Case(
        "simpo",
        "CPO",
        config={"loss_type": "simpo", "cpo_alpha": 0.0},
        hyper={"beta": 2.0, "gamma": 0.6},
        names={"gamma": "simpo_gamma"},
    ),
    Case("sft", "SFT"),
)


@dataclass(frozen=True)
class Trajectory:
    """A training of `STEPS` steps."""

    objective: str
    kind: str
    data: str = "plain"
    batch_size: int = 3
    """Of seven rows: the last batch of an epoch is smaller."""
    accumulation: int = 1
    rows: int | None = None
    """Only the first so many."""
    lora: bool = False

    @property
    def name(self) -> str:
        extra = [word for word, holds in (("accumulated", self.accumulation > 1), ("lora", self.lora)) if holds]
        return "-".join((self.objective, self.kind, self.data, *extra))


TRAJECTORIES = (
    *(
        Trajectory(case.objective, KINDS[i % 3], ("plain", "chat")[i % 2])
        for i, case in enumerate(CASES)
        if case.micro > 1
    ),
    Trajectory("dpo", "qwen2"),
    Trajectory("dpo", "gpt2", "chat"),
    Trajectory("dpo", "llama", "chat", lora=True),
    Trajectory("dpo", "llama", batch_size=3, accumulation=2, rows=6),
    Trajectory("cdpo", "qwen2", batch_size=1, accumulation=3, rows=6),
    Trajectory("sft", "llama", batch_size=2, accumulation=2, rows=6),
)


def make_tokenizer() -> Any:
    """Bytes, a few merges, and a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*SPECIAL, *alphabet, *(one + other for one, other in MERGES)]
    raw = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=list(MERGES)))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=SPECIAL[0], pad_token=SPECIAL[0])
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(kind: str, *, nudge: float = 0.0) -> Any:
    """A two-layer model whose weights depend on their names alone. `nudge`: how far it is off the reference."""
    import torch
    import transformers as hf

    ends = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    words = {"vocab_size": len(SPECIAL) + 256 + len(MERGES)}
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24, "max_position_embeddings": 256}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    gpt2 = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 256}
    no_dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    configs: dict[str, Any] = {
        "llama": lambda: hf.LlamaConfig(**words, **shape, **heads, **ends),
        "qwen2": lambda: hf.Qwen2Config(**words, **shape, **heads, **ends, tie_word_embeddings=True),
        "gpt2": lambda: hf.GPT2Config(**words, **gpt2, **no_dropout, **ends),
    }
    model = hf.AutoModelForCausalLM.from_config(configs[kind](), dtype=torch.float32)
    for name, parameter in model.named_parameters():
        noise, other = _normal(name, (2, *parameter.shape))
        scale, ones = (0.3, 0.0) if parameter.ndim > 1 else (0.1, float(name.endswith("weight")))
        parameter.data = torch.tensor(ones + scale * (noise + nudge * other), dtype=torch.float32)
    return model


def _normal(name: str, shape: Any) -> Any:
    """Normal numbers that depend on `name` alone, from the one generator of numpy's that will never change."""
    import numpy as np

    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)


def digest(tensors: Iterable[tuple[str, Any]]) -> list[list[float]]:
    """Of each tensor, in the order of names: its norm, and its projection on a random direction of unit length."""
    import numpy as np

    rows = []
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        values = tensor.detach().double().numpy().ravel()
        if name.endswith("c_attn.bias"):
            # A key's bias moves all scores of a query alike and changes nothing (where positions do not turn it):
            # its gradient is rounding, which Adam blows up to whole steps.
            values[len(values) // 3 : len(values) // 3 * 2] = 0.0
        direction = _normal(f"direction of {name}", values.size)
        rows.append([np.linalg.norm(values), values @ direction / np.linalg.norm(direction)])
    return [[float(f"{value:.8g}") for value in row] for row in rows]


def training_rows(case: Case, data: str) -> list[dict[str, Any]]:
    """Rows as TRL's formats have them: pairs, completions with labels, or demonstrations."""
    pairs = [_pair(*row) for row in (PLAIN if data == "plain" else CHATS)]
    if case.trainer in ("CPO", "ORPO"):
        return [row for row in pairs if row["prompt"] != "A bird "]
    if case.columns == "pairs":
        return pairs
    if case.columns == "demonstrations":
        return [{"prompt": row["prompt"], "completion": row["chosen"]} for row in pairs]
    # The third chat is cut, and its completion lent to a longer prompt: TRL cuts a lent one anew, for every prompt.
    sides = ("chosen", "rejected", "rejected", "rejected", "chosen", "chosen", "rejected")
    return [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row, side in zip(pairs, sides, strict=True)
    ]


def _pair(prompt: Any, *sides: str) -> dict[str, Any]:
    chosen, rejected = sides
    if isinstance(prompt, str):
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    turns = [{"role": role, "content": content} for role, content in zip(prompt[::2], prompt[1::2], strict=True)]
    answers = [[{"role": "assistant", "content": side}] for side in sides]
    return {"prompt": turns, "chosen": answers[0], "rejected": answers[1]}
