"""The packed row: how it is laid out, and attention over it. That it scores exactly stands in test_layouts.py."""

import itertools
from typing import Any

import pytest
import torch

from harness.trainers.encoding import EncodedRow
from harness.trainers.plain import pad, plain_log_prob, response_log_probs
from harness.trainers.shared_prefix import _attend, _attend_by_matmul, pack, shared_prefix_attention


def test_a_row_is_prompt_chosen_rejected_with_restarted_positions(encoded_pairs: list[EncodedRow]) -> None:
    batch = pack(encoded_pairs[:2])
    assert batch.inputs["input_ids"][0].tolist() == [
        *(1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16),
        *(8, 9, 8, 20, 21, 22, 23, 24, 25),
    ]
    assert batch.inputs["position_ids"][0].tolist() == [
        *(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 8, 9, 10),
        *(0, 1, 2, 3, 3, 4, 5, 6, 7),
    ]
    assert batch.targets.tolist() == [10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25]
    assert batch.scored.tolist() == [6, 7, 8, 6, 10, 11, 12, 16, 16, 18, 19, 20, 21]
    assert batch.lengths.tolist() == [[3, 4], [1, 5]]


@pytest.mark.parametrize("k", [1, 3])
def test_any_number_of_responses(tiny_llama: Any, k: int) -> None:
    rows = [EncodedRow((1, 2, 3), ((4, 5), (6,), (7, 8, 9))[:k]), EncodedRow((5,), ((1,), (2, 3), (9, 9))[:k])]
    with torch.no_grad():
        expected = [[plain_log_prob(tiny_llama, row.prompt_ids, side) for side in row.responses] for row in rows]
        with shared_prefix_attention(tiny_llama):
            packed = response_log_probs(tiny_llama, pack(rows))
    torch.testing.assert_close(packed, torch.tensor(expected), atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("window", [None, 3, 20])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (6, 6), (5, 8), (3, 8)])
def test_attention_by_matrix_products_is_attention(rows: int, columns: int, window: int | None) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 6, rows, 4), torch.randn(2, 2, columns, 4), torch.randn(2, 2, columns, 4)
    for at, head, row in itertools.product(range(2), range(6), range(rows)):
        last = columns - rows + row + 1
        seen = slice(max(0, last - (window or last)), last)
        weights = (key[at, head // 3, seen] @ query[at, head, row] * 0.7).softmax(0)
        expected = weights @ value[at, head // 3, seen]
        for attend in (_attend, _attend_by_matmul):
            torch.testing.assert_close(attend(query, key, value, 0.7, window)[at, head, row], expected)


def test_bfloat16_stays_close_to_float32(tiny_llama: Any, encoded_pairs: list[EncodedRow]) -> None:
    with torch.no_grad(), shared_prefix_attention(tiny_llama):
        exact = response_log_probs(tiny_llama, pack(encoded_pairs))
        rounded = response_log_probs(tiny_llama.bfloat16(), pack(encoded_pairs))
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, atol=0.5, rtol=0.02)


def test_the_attention_is_put_back(tiny_llama: Any) -> None:
    before = tiny_llama.config._attn_implementation
    with pytest.raises(KeyError), shared_prefix_attention(tiny_llama):
        raise KeyError
    assert tiny_llama.config._attn_implementation == before
    assert tiny_llama.generate(torch.tensor([[1, 2]]), max_new_tokens=2, do_sample=False).shape == (1, 4)


def test_padded_sequences_are_taken_too(tiny_llama: Any, encoded_pairs: list[EncodedRow]) -> None:
    with torch.no_grad():
        expected = response_log_probs(tiny_llama, pad(encoded_pairs))
        with shared_prefix_attention(tiny_llama):
            torch.testing.assert_close(response_log_probs(tiny_llama, pad(encoded_pairs)), expected)
