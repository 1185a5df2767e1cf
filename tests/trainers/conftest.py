"""Tiny random models of several architectures, and pairs of token ids."""

from typing import Any

import pytest

from harness.trainers.encoding import EncodedRow

VOCABULARY = 64


@pytest.fixture
def encoded_pairs() -> list[EncodedRow]:
    """Three pairs of uneven lengths: a long prompt, a one-token response, a prompt of one token."""
    return [
        EncodedRow((1, 2, 3, 4, 5, 6, 7), ((10, 11, 12), (13, 14, 15, 16))),
        EncodedRow((8, 9, 8), ((20,), (21, 22, 23, 24, 25))),
        EncodedRow((30,), ((31, 32), (33,))),
    ]


@pytest.fixture(params=["llama", "qwen2", "gpt2"])
def tiny_causal_lm(request: pytest.FixtureRequest) -> Any:
    """A random two-layer model with weights large enough for attention to matter."""
    return make_causal_lm(request.param)


@pytest.fixture
def tiny_llama() -> Any:
    return make_causal_lm("llama")


def make_causal_lm(kind: str, **overrides: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MambaConfig, MistralConfig, Qwen2Config

    shape = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64}
    no_dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0}  # attention's own is left on: packed rows ignore it
    configs = {
        "llama": lambda: LlamaConfig(**shape, **heads, **overrides),
        "qwen2": lambda: Qwen2Config(**shape, **heads, **overrides),
        "mistral": lambda: MistralConfig(**shape, **heads, **overrides),
        "gpt2": lambda: GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64, **no_dropout),
        "mamba": lambda: MambaConfig(**shape),
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(configs[kind]())
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture
def causal_lm() -> Any:
    """Makes a tiny random model of a kind, with settings of its configuration."""
    return make_causal_lm
