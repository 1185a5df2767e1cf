"""The fused operations against autograd's own."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from harness.trainers.fused import fused_lora, selected_log_probs


@pytest.mark.parametrize("rows", [1, 64, 150])
def test_selected_log_probs_and_their_gradient(rows: int) -> None:
    torch.manual_seed(0)
    logits, targets, weights = torch.randn(rows, 9) * 5, torch.randint(9, (rows,)), torch.randn(rows)
    expected_input = logits.clone().requires_grad_()
    expected = expected_input.log_softmax(-1).gather(1, targets[:, None]).squeeze(1)
    (expected * weights).sum().backward()

    leaf = logits.clone().requires_grad_()
    actual = selected_log_probs(leaf * 1.0, targets)  # a leaf may not be overwritten
    (actual * weights).sum().backward()
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(leaf.grad, expected_input.grad, atol=1e-6, rtol=1e-5)


# PEFT calls what transformers has deprecated, and notes how it takes GPT-2's layers.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:fan_in_fan_out")


def test_log_probs_of_bfloat16_logits_are_computed_in_float32() -> None:
    logits = torch.tensor([[3.0, 1.0, -2.0]], dtype=torch.bfloat16)
    assert selected_log_probs(logits, torch.tensor([1])).dtype == torch.float32
    # 1 - log(e^3 + e^1 + e^-2) = -2.1328
    assert selected_log_probs(logits, torch.tensor([1])).item() == pytest.approx(-2.1328, abs=1e-4)


def lora(model: Any, **settings: Any) -> Any:
    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", **settings))


def fused_layers(model: Any) -> list[str]:
    return [name for name, module in model.named_modules() if "forward" in vars(module)]


def test_layers_are_fused_and_put_back(tiny_llama: Any) -> None:
    model = lora(tiny_llama)
    with fused_lora(model):
        assert len(fused_layers(model)) == 2 * 7
    assert fused_layers(model) == []


def test_layers_with_dropout_are_left_alone(tiny_llama: Any) -> None:
    model = lora(tiny_llama, lora_dropout=0.1)
    with fused_lora(model):
        assert fused_layers(model) == []


def test_a_trainable_base_is_left_alone(tiny_llama: Any) -> None:
    model = lora(tiny_llama)
    model.base_model.model.model.layers[0].mlp.up_proj.base_layer.weight.requires_grad_(True)
    with fused_lora(model):
        assert len(fused_layers(model)) == 2 * 7 - 1
