"""Every layout gives what each sequence gives by itself: values, gradients, with adapters and checkpointing."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from harness.trainers.encoding import EncodedRow
from harness.trainers.errors import TrainingError
from harness.trainers.layouts import Layout, choose_layout
from harness.trainers.plain import pad

# PEFT calls what transformers has deprecated, and notes how it takes GPT-2's layers.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:fan_in_fan_out")

SHARING = ["llama", "qwen2", "gpt2", "mistral", "phi", "cohere", "granite"]
WEIGHTS = torch.tensor([[1.0, -0.5], [0.3, 2.0], [-1.0, 0.7]])


def one_by_one(model: Any, rows: Sequence[EncodedRow]) -> Tensor:
    """Each sequence by itself, through the model as it comes: float32 [rows, k]."""
    sums = []
    for row in rows:
        for response in row.responses:
            logits = model(input_ids=torch.tensor([row.prompt_ids + response])).logits[0]
            steps = range(len(row.prompt_ids) - 1, len(row.prompt_ids) + len(response) - 1)
            logps = [logits[i].float().log_softmax(-1)[token] for i, token in zip(steps, response, strict=True)]
            sums.append(torch.stack(logps).sum())
    return torch.stack(sums).view(len(rows), -1)


def with_lora(model: Any) -> Any:
    torch.manual_seed(1)
    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:  # zero at first, which would hide the adapter
            torch.nn.init.normal_(parameter, std=0.3)
    return adapted


def gradients(model: Any, log_probs: Callable[[], Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    (log_probs() * WEIGHTS).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def assert_same(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys() and actual
    for name, gradient in expected.items():
        torch.testing.assert_close(actual[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("fuse_head", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"), [("packed", kind) for kind in SHARING] + [("plain", kind) for kind in ("llama", "gpt2", "gemma2")]
)
def test_values_and_gradients_of_all_weights(
    causal_lm: Callable[..., Any], encoded_pairs: list[EncodedRow], name: str, kind: str, fuse_head: bool
) -> None:
    model, layout = causal_lm(kind), Layout(name, fuse_head=fuse_head)
    batch = layout.collate(encoded_pairs)
    with torch.no_grad():
        expected = one_by_one(model, encoded_pairs)
        with layout.active(model):
            actual = layout.log_probs(model, batch)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-6)
    exact = gradients(model, lambda: one_by_one(model, encoded_pairs))
    with layout.active(model):
        assert_same(gradients(model, lambda: layout.log_probs(model, batch)), exact)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["mamba", "granite-hybrid"])
def test_padding_is_exact_for_recurrent_layers(
    causal_lm: Callable[..., Any], encoded_pairs: list[EncodedRow], kind: str
) -> None:
    model = causal_lm(kind)
    layout = choose_layout(model, encoded_pairs)
    assert layout.name == "plain" and "mix positions" in layout.reason
    batch = layout.collate(encoded_pairs)
    exact = gradients(model, lambda: one_by_one(model, encoded_pairs))
    with layout.active(model):
        torch.testing.assert_close(layout.log_probs(model, batch), one_by_one(model, encoded_pairs), atol=1e-5, rtol=0)
        assert_same(gradients(model, lambda: layout.log_probs(model, batch)), exact)


@pytest.mark.parametrize("name", ["packed", "plain"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_of_an_adapter(
    tiny_causal_lm: Any, encoded_pairs: list[EncodedRow], name: str, checkpointing: bool
) -> None:
    model, layout = with_lora(tiny_causal_lm), Layout(name)
    exact = gradients(model, lambda: one_by_one(model, encoded_pairs))
    for module in model.modules():
        if name == "plain" and isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # packed rows have no attention dropout anyway
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
        model.train()
    with layout.active(model):
        batch = layout.collate(encoded_pairs)
        assert_same(gradients(model, lambda: layout.log_probs(model, batch)), exact)


def test_an_adapter_that_is_off_leaves_the_base(tiny_llama: Any, encoded_pairs: list[EncodedRow]) -> None:
    layout = Layout("packed")
    batch = layout.collate(encoded_pairs)
    with torch.no_grad():
        base = one_by_one(tiny_llama, encoded_pairs)
        model = with_lora(tiny_llama)
        with layout.active(model):
            on = layout.log_probs(model, batch)
            with model.disable_adapter():
                off = layout.log_probs(model, batch)
    torch.testing.assert_close(off, base, atol=1e-5, rtol=1e-6)
    assert (on - base).abs().min() > 1e-3


def test_an_adapted_head_is_not_fused(tiny_llama: Any, encoded_pairs: list[EncodedRow]) -> None:
    torch.manual_seed(1)
    model = get_peft_model(tiny_llama, LoraConfig(r=4, target_modules=["lm_head"], init_lora_weights=False))
    layout = choose_layout(model, encoded_pairs)
    exact = gradients(model, lambda: one_by_one(model, encoded_pairs))
    with layout.active(model):
        assert_same(gradients(model, lambda: layout.log_probs(model, layout.collate(encoded_pairs))), exact)


@pytest.mark.parametrize("window", [3, 8, 10, 11])
def test_a_sliding_window_is_kept(causal_lm: Callable[..., Any], encoded_pairs: list[EncodedRow], window: int) -> None:
    model = causal_lm("mistral", sliding_window=window)  # the longest sequence has 11 tokens
    layout = choose_layout(model, encoded_pairs)
    assert layout.name == "packed"
    with torch.no_grad(), layout.active(model):
        actual = layout.log_probs(model, layout.collate(encoded_pairs))
    with torch.no_grad():
        torch.testing.assert_close(actual, one_by_one(model, encoded_pairs), atol=1e-5, rtol=1e-6)


def test_capped_attention_gets_the_plain_layout(
    causal_lm: Callable[..., Any], encoded_pairs: list[EncodedRow], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "harness.trainers.layouts")
    assert choose_layout(causal_lm("gemma2"), encoded_pairs).name == "plain"
    assert caplog.messages == [
        "gemma2: each response is a sequence of its own, with its prompt: its attention logits are capped"
    ]


def test_rows_with_one_response_are_tried_with_two(
    tiny_llama: Any, encoded_pairs: list[EncodedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [EncodedRow(row.prompt_ids, row.responses[:1]) for row in encoded_pairs]
    assert choose_layout(tiny_llama, rows).name == "packed"
    _mix_positions(tiny_llama, monkeypatch)
    assert choose_layout(tiny_llama, rows).name == "plain"


def test_a_model_that_mixes_positions_by_itself_is_found_out(
    tiny_llama: Any, encoded_pairs: list[EncodedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    _mix_positions(tiny_llama, monkeypatch)
    layout = choose_layout(tiny_llama, encoded_pairs)
    assert layout.name == "plain" and "nats a token" in layout.reason


def _mix_positions(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each position looks at the one before: at the border of chosen and rejected, the wrong one."""
    mlp = model.model.layers[0].mlp
    forward = mlp.forward
    before = torch.nn.ZeroPad2d((0, 0, 1, -1))
    monkeypatch.setattr(mlp, "forward", lambda x: forward(x) + forward(before(x)))


def test_logits_that_are_more_than_a_head_are_found_out(
    tiny_llama: Any, encoded_pairs: list[EncodedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = tiny_llama.forward

    def capped(**inputs: Any) -> Any:
        output = forward(**inputs)
        output.logits = 2.0 * (output.logits / 2.0).tanh()
        return output

    monkeypatch.setattr(tiny_llama, "forward", capped)
    assert choose_layout(tiny_llama, encoded_pairs) == Layout("packed", fuse_head=False)


def test_a_model_that_looks_ahead_has_no_layout(
    tiny_llama: Any, encoded_pairs: list[EncodedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    mlp = tiny_llama.model.layers[0].mlp
    forward = mlp.forward
    monkeypatch.setattr(mlp, "forward", lambda x: forward(x) + x.mean(1, keepdim=True))
    with pytest.raises(TrainingError, match=r"llama: no layout gives .* move by .* nats a token"):
        choose_layout(tiny_llama, encoded_pairs)


def test_the_model_is_left_as_it_was(tiny_llama: Any, encoded_pairs: list[EncodedRow]) -> None:
    before = tiny_llama.config._attn_implementation
    tiny_llama.train()
    choose_layout(tiny_llama, encoded_pairs)
    assert tiny_llama.training
    assert tiny_llama.config._attn_implementation == before
    assert tiny_llama(input_ids=torch.tensor([[1, 2]])).logits.shape == (1, 2, 64)


def test_a_padded_batch() -> None:
    batch = pad([EncodedRow((1, 2), ((3,), (4, 5)))])
    assert batch.inputs["input_ids"].tolist() == [[1, 2, 3, 0], [1, 2, 4, 5]]
    assert batch.scored.tolist() == [1, 5, 6]
    assert batch.targets.tolist() == [3, 4, 5]
    assert batch.lengths.tolist() == [[1, 2]]


def test_rows_that_share_little_are_not_packed(tiny_llama: Any) -> None:
    long, short = EncodedRow((1, 2), (tuple(range(1, 60)), tuple(range(2, 61)))), EncodedRow((1, 2, 3), ((4,), (5, 6)))
    layout = choose_layout(tiny_llama, [long, short])
    assert layout.name == "packed"
    assert layout.collate([long, long]).inputs["input_ids"].shape == (4, 61)
    assert layout.collate([long, short]).inputs["input_ids"].shape[0] == 1  # padding would be the larger waste
    with torch.no_grad(), layout.active(tiny_llama):
        padded = layout.log_probs(tiny_llama, layout.collate([long, long]))
        packed = layout.log_probs(tiny_llama, layout.collate([long, short]))
    torch.testing.assert_close(padded[0], packed[0])
