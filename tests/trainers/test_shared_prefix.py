"""The packed row gives what each sequence gives by itself: values, gradients, with adapters and checkpointing."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from harness.trainers.encoding import EncodedRow
from harness.trainers.errors import TrainingError
from harness.trainers.fused import fused_lora
from harness.trainers.shared_prefix import (
    _attend,
    _attend_by_matmul,
    check_layout,
    pack,
    response_log_probs,
    shared_prefix_attention,
)

# PEFT calls what transformers has deprecated, and notes how it takes GPT-2's layers.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:fan_in_fan_out")


def plain_log_probs(model: Any, pairs: Sequence[EncodedRow]) -> Tensor:
    """Each sequence by itself, through the model as it comes: float32 [pairs, 2]."""
    rows = []
    for pair in pairs:
        for response in pair.responses:
            logits = model(input_ids=torch.tensor([pair.prompt_ids + response])).logits[0]
            steps = range(len(pair.prompt_ids) - 1, len(pair.prompt_ids) + len(response) - 1)
            logps = [logits[i].float().log_softmax(-1)[token] for i, token in zip(steps, response, strict=True)]
            rows.append(torch.stack(logps).sum())
    return torch.stack(rows).view(-1, 2)


def with_lora(model: Any, dropout: float = 0.0) -> Any:
    torch.manual_seed(1)
    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:  # zero at first, which would hide the adapter
            torch.nn.init.normal_(parameter, std=0.3)
    return adapted


def gradients(model: Any, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_a_row_is_prompt_chosen_rejected_with_restarted_positions(encoded_pairs: list[EncodedRow]) -> None:
    batch = pack(encoded_pairs[:2])
    assert batch.input_ids[0].tolist() == [
        *(1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16),
        *(8, 9, 8, 20, 21, 22, 23, 24, 25),
    ]
    assert batch.position_ids[0].tolist() == [
        *(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 8, 9, 10),
        *(0, 1, 2, 3, 3, 4, 5, 6, 7),
    ]
    assert batch.targets.tolist() == [10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25]
    assert batch.scored.tolist() == [6, 7, 8, 6, 10, 11, 12, 16, 16, 18, 19, 20, 21]
    assert batch.lengths.tolist() == [[3, 4], [1, 5]]


def test_log_probs_equal_the_plain_forward(tiny_causal_lm: Any, encoded_pairs: list[EncodedRow]) -> None:
    with torch.no_grad():
        plain = plain_log_probs(tiny_causal_lm, encoded_pairs)
        with shared_prefix_attention(tiny_causal_lm):
            packed = response_log_probs(tiny_causal_lm, pack(encoded_pairs))
    assert packed.dtype == torch.float32
    torch.testing.assert_close(packed, plain, atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_adapter_gradients_equal_the_plain_ones(
    tiny_causal_lm: Any, encoded_pairs: list[EncodedRow], checkpointing: bool, fused: bool
) -> None:
    model = with_lora(tiny_causal_lm)
    weights = torch.tensor([[1.0, -0.5], [0.3, 2.0], [-1.0, 0.7]])
    plain = gradients(model, (plain_log_probs(model, encoded_pairs) * weights).sum())
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
        model.train()
    with shared_prefix_attention(model), fused_lora(model) if fused else torch.enable_grad():
        packed = gradients(model, (response_log_probs(model, pack(encoded_pairs)) * weights).sum())
    assert len(plain) == len(packed) > 0
    for name, gradient in plain.items():
        torch.testing.assert_close(packed[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


def test_an_adapter_that_is_off_leaves_the_base(tiny_llama: Any, encoded_pairs: list[EncodedRow]) -> None:
    with torch.no_grad():
        base = plain_log_probs(tiny_llama, encoded_pairs)
        model = with_lora(tiny_llama)
        with shared_prefix_attention(model), fused_lora(model):
            on = response_log_probs(model, pack(encoded_pairs))
            with model.disable_adapter():
                off = response_log_probs(model, pack(encoded_pairs))
    torch.testing.assert_close(off, base, atol=1e-5, rtol=1e-6)
    assert (on - base).abs().min() > 1e-3


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (6, 6), (3, 8)])
def test_attention_by_matrix_products_is_attention(rows: int, columns: int) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 6, rows, 4), torch.randn(1, 2, columns, 4), torch.randn(1, 2, columns, 4)
    for head in range(6):
        for row in range(rows):
            seen = columns - rows + row + 1
            weights = (key[0, head // 3, :seen] @ query[0, head, row] * 0.7).softmax(0)
            expected = weights @ value[0, head // 3, :seen]
            for attend in (_attend, _attend_by_matmul):
                torch.testing.assert_close(attend(query, key, value, 0.7)[0, head, row], expected)


def test_bfloat16_stays_close_to_float32(tiny_llama: Any, encoded_pairs: list[EncodedRow]) -> None:
    with torch.no_grad():
        exact = plain_log_probs(tiny_llama, encoded_pairs)
        tiny_llama.bfloat16()
        with shared_prefix_attention(tiny_llama):
            rounded = response_log_probs(tiny_llama, pack(encoded_pairs))
    torch.testing.assert_close(rounded, exact, atol=0.5, rtol=0.02)


def test_the_attention_is_put_back(tiny_llama: Any) -> None:
    before = tiny_llama.config._attn_implementation
    with pytest.raises(KeyError), shared_prefix_attention(tiny_llama):
        raise KeyError
    assert tiny_llama.config._attn_implementation == before
    assert tiny_llama.generate(torch.tensor([[1, 2]]), max_new_tokens=2, do_sample=False).shape == (1, 4)


def test_a_row_that_is_not_packed_is_refused(tiny_llama: Any) -> None:
    with shared_prefix_attention(tiny_llama), pytest.raises(TrainingError, match="packed rows only"):
        tiny_llama(input_ids=torch.tensor([[1, 2, 3]]))


def test_recurrent_layers_are_refused(causal_lm: Callable[..., Any]) -> None:
    with pytest.raises(TrainingError, match="mamba: "), shared_prefix_attention(causal_lm("mamba")):
        pass


@pytest.mark.parametrize(("window", "fits"), [(11, True), (10, False)])
def test_a_sliding_window_must_hold_the_longest_sequence(
    causal_lm: Callable[..., Any], encoded_pairs: list[EncodedRow], window: int, fits: bool
) -> None:
    model, pair = causal_lm("mistral", sliding_window=window), encoded_pairs[0]  # 7 + 4 tokens
    if fits:
        check_layout(model, pair)
    else:
        with pytest.raises(TrainingError, match="sliding window"):
            check_layout(model, pair)


def test_a_model_that_mixes_positions_by_itself_is_found_out(
    tiny_llama: Any, encoded_pairs: list[EncodedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    mlp = tiny_llama.model.layers[0].mlp
    forward = mlp.forward
    # Each position looks at the one before: at the border of chosen and rejected, the wrong one.
    monkeypatch.setattr(mlp, "forward", lambda x: forward(x) + forward(x.roll(1, dims=1)))
    with pytest.raises(TrainingError, match="nats a token"):
        check_layout(tiny_llama, encoded_pairs[0])
