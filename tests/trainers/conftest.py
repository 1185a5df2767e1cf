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
    import transformers as hf

    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64}
    mamba = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_chunk_size": 8, "mamba_n_groups": 1}
    hybrid = {"layer_types": ["mamba", "attention"], "num_local_experts": 2, "num_experts_per_tok": 1}
    no_dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0}  # attention's own is left on: packed rows ignore it
    gpt2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "llama": (hf.LlamaConfig, heads),
        "qwen2": (hf.Qwen2Config, heads),
        "mistral": (hf.MistralConfig, heads),
        "gpt2": (hf.GPT2Config, gpt2 | no_dropout),
        "phi": (hf.PhiConfig, heads | {"num_key_value_heads": 4}),  # its head has a bias
        "cohere": (hf.CohereConfig, heads | {"logit_scale": 0.25}),
        "granite": (hf.GraniteConfig, heads | {"logits_scaling": 4.0, "residual_multiplier": 0.5}),
        "gemma2": (hf.Gemma2Config, heads | {"head_dim": 8, "final_logit_softcapping": 3.0}),
        "mamba": (hf.MambaConfig, {}),
        "granite-hybrid": (hf.GraniteMoeHybridConfig, heads | mamba | hybrid),
    }
    config, settings = kinds[kind]
    shape = {"vocab_size": VOCABULARY} | ({} if kind == "gpt2" else {"hidden_size": 32, "num_hidden_layers": 2})
    torch.manual_seed(0)
    model = hf.AutoModelForCausalLM.from_config(config(**shape | settings | overrides))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture
def causal_lm() -> Any:
    """Makes a tiny random model of a kind, with settings of its configuration."""
    return make_causal_lm
