"""The losses, against numbers worked out by hand."""

import math

import pytest
import torch

from harness.trainers.objectives import OBJECTIVES, PairLogProbs, dpo_loss, rewards


def test_dpo_by_hand() -> None:
    # Margin 0.5 * ((-10 + 12) - (-15 + 14)) = 1.5, and -log sigmoid(1.5) = log(1 + e^-1.5) = 0.201413.
    values = [torch.tensor([value]) for value in (-10.0, -15.0, -12.0, -14.0)]
    assert dpo_loss(*values, beta=0.5).item() == pytest.approx(0.201413, abs=1e-6)


def test_dpo_is_ln_2_where_policy_and_reference_agree() -> None:
    logps = torch.tensor([-3.0, -300.0])
    assert dpo_loss(logps, logps - 7, logps, logps - 7, beta=0.1).tolist() == pytest.approx([math.log(2)] * 2)


def test_dpo_falls_as_chosen_gains_and_survives_extremes() -> None:
    zero = torch.zeros(3)
    loss = dpo_loss(torch.tensor([-1e6, 0.0, 1e6]), zero, zero, zero, beta=0.1)
    assert loss.tolist() == pytest.approx([1e5, math.log(2), 0.0])


def test_the_dpo_objective_takes_the_columns_in_order() -> None:
    policy, reference = torch.tensor([[-10.0, -15.0]]), torch.tensor([[-12.0, -14.0]])
    logps = PairLogProbs(policy, reference, torch.tensor([[4, 5]]))
    assert OBJECTIVES["dpo"].needs_reference
    assert OBJECTIVES["dpo"].loss(logps, 0.5).item() == pytest.approx(0.201413, abs=1e-6)
    assert rewards(logps, 0.5).tolist() == [[1.0, -0.5]]
