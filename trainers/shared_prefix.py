"""The packed row: each prompt goes through the model once for both of its responses.

A batch is one row, `[prompt | chosen | rejected] [prompt | chosen | rejected] …`, whose positions restart
behind the prompt for the rejected response and at each pair. Attention runs pair by pair: prompt and
chosen are one causal stretch; rejected looks at prompt and rejected. No masked-out block is computed.
The output head runs on the positions that predict response tokens, and on no other.

Valid for any model whose layers talk across positions through transformers' attention interface alone.
`shared_prefix_attention` refuses what is known not to qualify.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from .encoding import EncodedRow
from .errors import TrainingError
from .fused import selected_log_probs

ATTENTION = "shared_prefix"

_SHORT = 512
"""Up to here plain matrix products beat the CPU's bfloat16 flash kernel (2 to 4 times, both passes)."""


@dataclass(frozen=True)
class Span:
    """Lengths of one row of data within the packed row: its prompt, then its responses in turn."""

    prompt: int
    responses: tuple[int, ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence, prompt + response."""
        return self.prompt + max(self.responses)


@dataclass(frozen=True)
class PackedBatch:
    """Rows of data, k responses each, packed into one row of T tokens, R of them in responses."""

    input_ids: Tensor
    """int64 [1, T]"""
    position_ids: Tensor
    """int64 [1, T]"""
    scored: Tensor
    """int64 [R], the row positions whose logits predict `targets`; a prompt's last one stands twice."""
    targets: Tensor
    """int64 [R], the response tokens, row by row, response by response."""
    lengths: Tensor
    """int64 [rows, k], response tokens; kept on the CPU."""
    spans: tuple[Span, ...]

    def to(self, device: torch.device) -> "PackedBatch":
        """The batch with everything that the model sees on `device`."""
        moved = {name: getattr(self, name).to(device) for name in ("input_ids", "position_ids", "scored", "targets")}
        return replace(self, **moved)


def pack(rows: Sequence[EncodedRow]) -> PackedBatch:
    """Pack rows of data, all with the same number of responses, into one row of tokens."""
    ids: list[int] = []
    positions: list[int] = []
    scored: list[int] = []
    for row in rows:
        prompt, last = len(row.prompt_ids), len(ids) + len(row.prompt_ids) - 1
        ids += row.prompt_ids
        positions += range(prompt)
        for response in row.responses:
            scored += [last, *range(len(ids), len(ids) + len(response) - 1)]
            positions += range(prompt, prompt + len(response))
            ids += response
    return PackedBatch(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        scored=torch.tensor(scored),
        targets=torch.tensor([token for row in rows for response in row.responses for token in response]),
        lengths=torch.tensor([[len(response) for response in row.responses] for row in rows]),
        spans=tuple(Span(len(row.prompt_ids), tuple(map(len, row.responses))) for row in rows),
    )


def response_log_probs(model: torch.nn.Module, batch: PackedBatch) -> Tensor:
    """Log-probabilities of the responses: float32 `[rows, k]`, nats, summed over response tokens.

    `model` is a causal language model, or a PeftModel around one, inside `shared_prefix_attention`.
    """
    logits = model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        logits_to_keep=batch.scored,
        spans=batch.spans,
        use_cache=False,
    ).logits
    logps = selected_log_probs(logits.squeeze(0), batch.targets)
    sums = [part.sum() for part in torch.split(logps, batch.lengths.flatten().tolist())]
    return torch.stack(sums).view(batch.lengths.shape)


def check_layout(model: Any, row: EncodedRow) -> None:
    """Raise TrainingError unless packing gives `row` the log-probabilities that its sequences have.

    A guard against architectures whose layers mix positions in ways that nothing in the configuration tells.
    """
    batch = pack([row]).to(model.device)
    with torch.no_grad():
        plain = torch.stack([plain_log_prob(model, row.prompt_ids, response) for response in row.responses])
        with shared_prefix_attention(model):
            packed = response_log_probs(model, batch)[0]
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.1
    worst = ((packed - plain).abs().cpu() / batch.lengths[0]).max().item()
    if not worst <= tolerance:
        raise _unsupported(model, f"log-probabilities move by {worst:.2g} nats a token")


def plain_log_prob(model: Any, prompt: tuple[int, ...], response: tuple[int, ...]) -> Tensor:
    """Log-probability of one response by the plain forward pass: float32 scalar, nats, summed over its tokens."""
    ids = torch.tensor([prompt + response], device=model.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(response) + 1).logits[0, :-1]
    return selected_log_probs(logits, ids[0, len(prompt) :]).sum()


@contextmanager
def shared_prefix_attention(model: Any) -> Iterator[None]:
    """Within, `model` takes packed rows, and only those; backward passes belong inside too.

    Raises TrainingError for an architecture that cannot take them.
    """
    _check_layers(model)
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION)
    if model.config._attn_implementation != ATTENTION:
        raise _unsupported(model, "its attention cannot be replaced")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _check_layers(model: Any) -> None:
    config = model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if layers or getattr(model, "_is_stateful", False):
        raise _unsupported(model, f"layers of kind {min(layers, default='recurrent')!r} mix positions by themselves")


def _unsupported(model: Any, reason: str) -> TrainingError:
    return TrainingError(f"{model.config.model_type}: rows that share a prompt are not possible, {reason}")


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    spans: tuple[Span, ...] | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention over a packed row: query `[1, heads, T, d]` -> `[1, T, heads, d]`.

    Dropout is left out, as the reference has none. No mask function is registered under our name, so
    that transformers builds no mask and hands over None.
    """
    if spans is None:
        raise TrainingError("packed rows only: this model's layers do not hand 'spans' on to their attention")
    if softcap is not None or (sliding_window and sliding_window < max(span.longest for span in spans)):
        raise TrainingError(f"{type(module).__name__}: a logit cap or a short sliding window is not supported")
    # One split and one cat over the row: slices would each cost the backward pass a zeroed copy of it.
    # The first response stands behind its prompt already, and the two are one causal stretch.
    sizes = [size for span in spans for size in (span.prompt + span.responses[0], *span.responses[1:])]
    queries, keys, values = (torch.split(tensor, sizes, dim=2) for tensor in (query, key, value))
    outputs, at = [], 0
    for span in spans:
        outputs.append(_attend(queries[at], keys[at], values[at], scaling))
        for other in range(at + 1, at + len(span.responses)):
            k, v = (torch.cat([part[at][:, :, : span.prompt], part[other]], dim=2) for part in (keys, values))
            outputs.append(_attend(queries[other], k, v, scaling))
        at += len(span.responses)
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
    """Causal attention of the last tokens: query `[1, heads, rows, d]`, key and value `[1, heads, columns, d]`."""
    rows, columns = query.shape[2], key.shape[2]
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and columns <= _SHORT:
        return _attend_by_matmul(query, key, value, scale)
    mask = None if rows == columns else _may_see(rows, columns, query.dtype, query.device)
    grouped = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=grouped
    )


def _attend_by_matmul(query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
    _, heads, rows, size = query.shape
    groups = (key.shape[1], heads // key.shape[1] * rows)
    scaled = query * (size**-0.5 if scale is None else scale)
    scores = (scaled.reshape(*groups, size) @ key[0].transpose(1, 2)).view(heads, rows, -1)
    weights = (scores + _may_see(rows, key.shape[2], query.dtype, query.device)).softmax(-1)
    return (weights.view(*groups, -1) @ value[0]).view(1, heads, rows, value.shape[3])


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # a kept mask may serve a later backward pass
def _may_see(rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Additive mask `[rows, columns]` of causal attention, for the last `rows` of `columns` tokens."""
    return torch.full((rows, columns), -torch.inf, dtype=dtype, device=device).triu_(columns - rows + 1)


AttentionInterface.register(ATTENTION, _attention)
