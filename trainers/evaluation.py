"""Log-probabilities of preference pairs under a model, without training it."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .data import PreferencePair
from .encoding import EncodedRow, encode_pair
from .errors import DataError, TrainingError
from .shared_prefix import (
    check_layout,
    pack,
    plain_log_prob,
    response_log_probs,
    shared_prefix_attention,
)

log = logging.getLogger(__name__)


def pair_log_probs(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[PreferencePair],
    *,
    batch_size: int = 8,
) -> np.ndarray:
    """Log-probabilities of chosen and rejected responses: float64 `[pairs, 2]`, nats, summed over tokens.

    Raises DataError for a pair that does not fit into the model's context: nothing is cut or left out.
    """
    encoded = [_encode(pair, tokenizer, model) for pair in pairs]
    if not encoded:
        return np.empty((0, 2))
    training, rows = model.training, []
    model.eval()
    try:
        check_layout(model, min(encoded, key=lambda pair: pair.tokens))
        with torch.no_grad(), shared_prefix_attention(model):
            for start in range(0, len(encoded), batch_size):
                batch = pack(encoded[start : start + batch_size]).to(model.device)
                rows.append(response_log_probs(model, batch).double().cpu().numpy())
    except TrainingError as reason:
        log.info("%s; each response is scored by itself", reason)
        rows = [_plain_log_probs(model, pair) for pair in encoded]
    finally:
        model.train(training)
    return np.concatenate(rows)


@torch.no_grad()
def _plain_log_probs(model: Any, pair: EncodedRow) -> np.ndarray:
    """As `response_log_probs`, without sharing the prompt: float64 `[1, 2]`."""
    return np.array([[plain_log_prob(model, pair.prompt_ids, side).item() for side in pair.responses]])


def _encode(pair: PreferencePair, tokenizer: Any, model: Any) -> EncodedRow:
    encoded = encode_pair(pair, tokenizer)
    assert encoded is not None  # without a limit, no pair is dropped
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is not None and encoded.longest > limit:
        raise DataError(
            f"{pair.where}: the pair has {encoded.longest} tokens, and the model's context {limit}; shorten it"
        )
    return encoded
