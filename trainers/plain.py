"""The plain batch, each response a sequence of its own, and the log-probabilities of any batch.

Slower than a packed row, since every response carries its prompt along, but right for every causal model:
padding stands on the right, so no scored position sees any, and no layer, recurrent or not, has to be told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .encoding import EncodedRow
from .fused import head_log_probs, plain_head, selected_log_probs, without_head


@dataclass(frozen=True)
class Batch:
    """Rows of data with k responses each, laid out as S sequences of T tokens, R of them in responses."""

    inputs: Mapping[str, Any]
    """What the model is called with: `input_ids` int64 [S, T], and what the layout needs beside it."""
    scored: Tensor
    """int64 [R], the positions whose logits predict `targets`, counted through all sequences."""
    targets: Tensor
    """int64 [R], the response tokens, row by row, response by response."""
    lengths: Tensor
    """int64 [rows, k], response tokens; kept on the CPU."""

    def to(self, device: torch.device) -> "Batch":
        """The batch with everything that the model sees on `device`."""
        inputs = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in self.inputs.items()}
        return replace(self, inputs=inputs, scored=self.scored.to(device), targets=self.targets.to(device))


def scored_batch(inputs: Mapping[str, Any], scored: Sequence[int], rows: Sequence[EncodedRow]) -> Batch:
    """A Batch of `rows`, laid out as `inputs` and `scored` say."""
    return Batch(
        inputs=inputs,
        scored=torch.tensor(scored),
        targets=torch.tensor([token for row in rows for response in row.responses for token in response]),
        lengths=torch.tensor([[len(response) for response in row.responses] for row in rows]),
    )


def pad(rows: Sequence[EncodedRow]) -> Batch:
    """Lay out each response of `rows` as a sequence of its own, prompt first, padded on the right."""
    sequences = [(row.prompt_ids, response) for row in rows for response in row.responses]
    ids = pad_sequence([torch.tensor(prompt + response) for prompt, response in sequences], batch_first=True)
    scored: list[int] = []
    for index, (prompt, response) in enumerate(sequences):
        first = index * ids.shape[1] + len(prompt) - 1
        scored += range(first, first + len(response))
    return scored_batch({"input_ids": ids}, scored, rows)


def response_log_probs(model: Any, batch: Batch, *, fuse_head: bool = True) -> Tensor:
    """Log-probabilities of the responses: float32 `[rows, k]`, nats, summed over response tokens.

    `model` is a causal language model, or a PeftModel around one. Its output head runs on scored positions
    only: with `fuse_head` in chunks that keep no logits, if it is nothing but a linear layer.
    """
    head = plain_head(model) if fuse_head else None
    width = batch.inputs["input_ids"].shape[1]
    kept, columns = (batch.scored % width).unique(return_inverse=True)
    with without_head(head):
        outputs = model(**batch.inputs, logits_to_keep=kept, use_cache=False).logits
    output = outputs.flatten(0, 1).index_select(0, batch.scored // width * len(kept) + columns)
    logps = selected_log_probs(output, batch.targets) if head is None else head_log_probs(output, head, batch.targets)
    sums = [part.sum() for part in torch.split(logps, batch.lengths.flatten().tolist())]
    return torch.stack(sums).view(batch.lengths.shape)


def plain_log_prob(model: Any, prompt: tuple[int, ...], response: tuple[int, ...]) -> Tensor:
    """Log-probability of one response by the plain forward pass: float32 scalar, nats, summed over its tokens."""
    ids = torch.tensor([prompt + response], device=model.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(response) + 1).logits[0, :-1]
    return selected_log_probs(logits, ids[0, len(prompt) :]).sum()
