"""Training losses as pure functions of log-probabilities, and the table of Objectives built on them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


@dataclass(frozen=True)
class PairLogProbs:
    """What an Objective may look at: columns 0 and 1 are the chosen and the rejected responses."""

    policy: Tensor
    """float32 [pairs, 2], nats, summed over response tokens."""
    reference: Tensor | None
    """The same under the reference; None where the Objective needs none."""
    lengths: Tensor
    """int64 [pairs, 2], response tokens."""


@dataclass(frozen=True)
class Objective:
    """A loss and what it needs."""

    name: str
    needs_reference: bool
    loss: Callable[[PairLogProbs, float], Tensor]
    """(log-probabilities, beta) -> float32 [pairs]"""


def dpo_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    reference_chosen_logps: Tensor,
    reference_rejected_logps: Tensor,
    *,
    beta: float,
) -> Tensor:
    """Direct Preference Optimization; Rafailov et al. 2023, eq. 7, before the mean over pairs.

    All four: float `[pairs]`, nats, summed over response tokens. Returns the loss of each pair, `[pairs]`.
    """
    policy_logratios = policy_chosen_logps - policy_rejected_logps
    reference_logratios = reference_chosen_logps - reference_rejected_logps
    return -logsigmoid(beta * (policy_logratios - reference_logratios))


def rewards(logps: PairLogProbs, beta: float) -> Tensor:
    """Implicit rewards beta * log(policy / reference) of both responses, float32 `[pairs, 2]`."""
    reference = torch.zeros_like(logps.policy) if logps.reference is None else logps.reference
    return beta * (logps.policy - reference)


def _dpo(logps: PairLogProbs, beta: float) -> Tensor:
    assert logps.reference is not None
    return dpo_loss(*logps.policy.unbind(1), *logps.reference.unbind(1), beta=beta)


OBJECTIVES = {objective.name: objective for objective in (Objective("dpo", needs_reference=True, loss=_dpo),)}
