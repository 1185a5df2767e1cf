"""Training losses as pure functions of log-probabilities, and the table of Objectives built on them.

In the formulas below, w and l are the chosen and the rejected response, a = log(policy / reference) of a
response, summed over its tokens, m its mean log-probability per token, n its number of tokens.

The module is light: torch is imported where something is computed, so that the table can be listed without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

_LN_2 = math.log(2)


@dataclass(frozen=True)
class Hyperparameters:
    """The numbers in the losses; each Objective uses some of them. Raises SettingsError for one out of range."""

    beta: float = 0.1
    """How strongly the reference holds the policy; the scale of the rewards; ORPO's lambda."""
    label_smoothing: float = 0.0
    """Assumed share of pairs whose sides are swapped, in [0, 0.5)."""
    gamma: float = 0.0
    """SimPO's target margin, in units of the reward: beta * `gamma_beta_ratio` of the authors' code."""
    sft_weight: float = 0.0
    """Of the chosen responses' negative log-likelihood, beside the preference loss."""
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("beta", "desirable_weight", "undesirable_weight"):
            _require(0 < getattr(self, name) < math.inf, name, "above 0", getattr(self, name))
        for name in ("gamma", "sft_weight"):
            _require(0 <= getattr(self, name) < math.inf, name, "0 or above", getattr(self, name))
        _require(0 <= self.label_smoothing < 0.5, "label_smoothing", "in [0, 0.5)", self.label_smoothing)


def _require(holds: bool, name: str, expected: str, got: float) -> None:
    if not holds:
        raise SettingsError(f"{name} must be {expected}, got {got}")


@dataclass(frozen=True)
class LogProbs:
    """What an Objective may look at, for the rows of one batch with k responses each.

    Of pairs, columns 0 and 1 are chosen and rejected. Of labelled completions (KTO), column 0 is the row's own
    completion, and column 1 that of another row under this row's prompt. Demonstrations have column 0 alone.
    """

    policy: Tensor
    """float32 [rows, k], nats, summed over response tokens."""
    reference: Tensor | None
    """The same under the reference; None where the Objective needs none."""
    lengths: Tensor
    """int64 [rows, k], response tokens; on any device."""
    desirable: Tensor | None = None
    """bool [rows], of labelled completions."""
    tokens_per_row: float | None = None
    """Mean of `lengths[:, 0]` over all rows of the optimiser's step; None: this batch is the whole step.

    It makes the mean over tokens exact where a step is accumulated from several batches.
    """

    @property
    def ratios(self) -> Tensor:
        """a, log(policy / reference): float32 [rows, k], nats."""
        assert self.reference is not None
        return self.policy - self.reference

    @property
    def means(self) -> Tensor:
        """m, log-probability per token: float32 [rows, k], nats."""
        return self.policy / self._lengths

    @property
    def nll(self) -> Tensor:
        """Negative log-likelihood of column 0: float32 [rows], whose mean over rows is the mean over tokens."""
        return -self.policy[:, 0] / (self.tokens_per_row or self._lengths[:, 0].float().mean())

    @property
    def margins(self) -> Tensor:
        """a_w - a_l: float32 [rows], nats."""
        return self.ratios[:, 0] - self.ratios[:, 1]

    @property
    def margins_per_token(self) -> Tensor:
        """a_w / n_w - a_l / n_l: float32 [rows], nats."""
        ratios = self.ratios / self._lengths
        return ratios[:, 0] - ratios[:, 1]

    @property
    def _lengths(self) -> Tensor:
        return self.lengths.to(self.policy.device)


Loss = Callable[[LogProbs, Hyperparameters], "Tensor"]
Metrics = Callable[[LogProbs, Hyperparameters], dict[str, "Tensor"]]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A training loss and what it needs."""

    name: str
    description: str
    """One line, for --help."""
    data: Literal["pairs", "labels", "demonstrations"] = "pairs"
    needs_reference: bool = True
    loss: Loss
    """float32 [rows], whose mean is the batch's loss."""
    metrics: Metrics
    """float32 [rows] by TRL's name, detached; NaN where a metric does not apply to a row. See `metric_means`."""
    uses: frozenset[str] = frozenset({"beta"})
    """The Hyperparameters that the loss looks at."""
    defaults: Hyperparameters = Hyperparameters()
    first_loss: Callable[[Hyperparameters], float | None] = lambda _: None
    """The loss while policy and reference are equal; None where that is not known beforehand."""

    def hyperparameters(self, given: Mapping[str, float | None]) -> Hyperparameters:
        """The defaults, with what is `given` (None: not given) in their place.

        Raises SettingsError for a value out of range, and for one that the loss would ignore.
        """
        values = {name: value for name, value in given.items() if value is not None}
        if ignored := sorted(values.keys() - self.uses):
            uses = ", ".join(sorted(self.uses)) or "none"
            raise SettingsError(f"{ignored[0]} has no effect on {self.name} (which uses {uses}); leave it out")
        return replace(self.defaults, **values)


def metric_means(batches: Iterable[Mapping[str, Tensor]]) -> dict[str, float]:
    """Means over the rows to which a metric applies, of all batches, by TRL's names.

    `rewards/margins` is the difference of the two mean rewards, which for pairs is the mean of the margins.
    A metric that applies to no row is left out.
    """
    import torch

    columns: dict[str, list[Tensor]] = {}
    for batch in batches:
        for name, values in batch.items():
            columns.setdefault(name, []).append(values)
    means = {name: torch.cat(values).nanmean().item() for name, values in columns.items()}
    if {"rewards/chosen", "rewards/rejected"} <= means.keys():
        means["rewards/margins"] = means["rewards/chosen"] - means["rewards/rejected"]
    return {name: value for name, value in means.items() if not math.isnan(value)}


def dpo_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Direct Preference Optimization; Rafailov et al. 2023, eq. 7."""
    return -_logsigmoid(hyper.beta * logps.margins)


def cdpo_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Conservative DPO: cross-entropy against labels of which a share may be wrong; Mitchell 2023."""
    scores, flipped = hyper.beta * logps.margins, hyper.label_smoothing
    return -(1 - flipped) * _logsigmoid(scores) - flipped * _logsigmoid(-scores)


def robust_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Robust DPO: in the mean over wrong labels it is the DPO loss of right ones; Chowdhury et al. 2024, section 3."""
    scores, flipped = hyper.beta * logps.margins, hyper.label_smoothing
    return (flipped * _logsigmoid(-scores) - (1 - flipped) * _logsigmoid(scores)) / (1 - 2 * flipped)


def hinge_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Hinge on the DPO margin: SLiC, normalised by the reference as in RSO; Liu et al. 2023, section 3."""
    return (1 - hyper.beta * logps.margins).clamp(min=0)


def ipo_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Identity Preference Optimization on log-ratios per token, as its authors ran it; Azar et al. 2023, eq. 17."""
    return (logps.margins_per_token - 1 / (2 * hyper.beta)) ** 2


def ipo_sum_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Identity Preference Optimization on summed log-ratios, as printed; Azar et al. 2023, eq. 17."""
    return (logps.margins - 1 / (2 * hyper.beta)) ** 2


def dpo_norm_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Length-normalised DPO; Lambert et al. 2024 (Tülu 3), section 5."""
    return -_logsigmoid(hyper.beta * logps.margins_per_token)


def kto_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Kahneman-Tversky Optimization; Ethayarajh et al. 2024, section 4."""
    assert logps.desirable is not None
    desirable = logps.desirable.to(logps.policy.device)
    # 1 - sigmoid(x) = sigmoid(-x), which keeps its digits where it is small.
    gains = hyper.beta * (logps.ratios[:, 0] - _kto_kl(logps))
    losses = (-gains).sigmoid() * hyper.desirable_weight
    return losses.where(desirable, gains.sigmoid() * hyper.undesirable_weight)


def _kto_kl(logps: LogProbs) -> Tensor:
    """Estimate of KL(policy || reference) from the batch's mismatched completions: float32 scalar, nats, detached."""
    return logps.ratios[:, 1].detach().mean().clamp(min=0)


def orpo_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Odds Ratio Preference Optimization; Hong et al. 2024, eq. 6. beta is the paper's lambda."""
    return logps.nll - hyper.beta * _logsigmoid(_log_odds_ratio(logps))


def _log_odds_ratio(logps: LogProbs) -> Tensor:
    """log(odds of chosen / odds of rejected), with odds = p / (1 - p) of p = exp(m): float32 [rows]."""
    # Below 0 by a rounding error, or certain tokens would have infinite odds.
    means = logps.means.clamp(max=-1e-7)
    log_odds = means - (-means.expm1()).log()
    return log_odds[:, 0] - log_odds[:, 1]


def simpo_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """Simple Preference Optimization, free of a reference; Meng et al. 2024, eq. 6."""
    means = logps.means
    return -_logsigmoid(hyper.beta * (means[:, 0] - means[:, 1]) - hyper.gamma)


def dpo_sft_loss(logps: LogProbs, hyper: Hyperparameters) -> Tensor:
    """DPO plus the chosen responses' negative log-likelihood; Pang et al. 2024, eq. 1, over tokens, not rows."""
    return dpo_loss(logps, hyper) + hyper.sft_weight * logps.nll


def sft_loss(logps: LogProbs, _hyper: Hyperparameters) -> Tensor:
    """Negative log-likelihood of the responses, mean over tokens; no prompt token counts."""
    return logps.nll


def _logsigmoid(values: Tensor) -> Tensor:
    from torch.nn.functional import logsigmoid

    return logsigmoid(values)


def _pair_metrics(rewards: Tensor, logps: Tensor) -> dict[str, Tensor]:
    (chosen, rejected), (chosen_logps, rejected_logps) = rewards.detach().unbind(1), logps.detach().unbind(1)
    return {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/accuracies": (chosen > rejected).float(),
        "logps/chosen": chosen_logps,
        "logps/rejected": rejected_logps,
    }


def dpo_metrics(logps: LogProbs, hyper: Hyperparameters) -> dict[str, Tensor]:
    """Rewards beta * a and summed log-probabilities, also where the loss averages over tokens (TRL does the same)."""
    return _pair_metrics(hyper.beta * logps.ratios, logps.policy)


def dpo_sft_metrics(logps: LogProbs, hyper: Hyperparameters) -> dict[str, Tensor]:
    """Those of DPO, and the second term of the loss."""
    return dpo_metrics(logps, hyper) | {"nll_loss": logps.nll.detach()}


def simpo_metrics(logps: LogProbs, hyper: Hyperparameters) -> dict[str, Tensor]:
    """Rewards beta * m and log-probabilities per token, m (TRL does the same)."""
    return _pair_metrics(hyper.beta * logps.means, logps.means)


def orpo_metrics(logps: LogProbs, hyper: Hyperparameters) -> dict[str, Tensor]:
    """Those of SimPO, and the parts of the loss."""
    log_odds = _log_odds_ratio(logps).detach()
    parts = {"nll_loss": logps.nll.detach(), "log_odds_chosen": log_odds, "log_odds_ratio": _logsigmoid(log_odds)}
    return simpo_metrics(logps, hyper) | parts


def kto_metrics(logps: LogProbs, hyper: Hyperparameters) -> dict[str, Tensor]:
    """Rewards beta * a and summed log-probabilities, of desirable rows (`chosen`) and of the others, and the KL."""
    assert logps.desirable is not None
    desirable = logps.desirable.to(logps.policy.device)
    values = {"rewards": hyper.beta * logps.ratios[:, 0].detach(), "logps": logps.policy[:, 0].detach()}
    sides = {"chosen": desirable, "rejected": ~desirable}
    apart = {
        f"{name}/{side}": value.where(applies, math.nan)
        for name, value in values.items()
        for side, applies in sides.items()
    }
    return apart | {"kl": _kto_kl(logps).expand(len(desirable))}


def _kto_first_loss(hyper: Hyperparameters) -> float | None:
    return hyper.desirable_weight / 2 if hyper.desirable_weight == hyper.undesirable_weight else None


def _dpo_like(
    name: str,
    description: str,
    loss: Loss,
    first_loss: Callable[[Hyperparameters], float | None] = lambda _: _LN_2,
    *,
    metrics: Metrics = dpo_metrics,
    **defaults: float,
) -> Objective:
    """An Objective on pairs with a reference; it uses beta and what it has defaults for."""
    return Objective(
        name=name,
        description=description,
        loss=loss,
        metrics=metrics,
        uses=frozenset({"beta", *defaults}),
        defaults=Hyperparameters(**defaults),
        first_loss=first_loss,
    )


def _ipo_first_loss(hyper: Hyperparameters) -> float:
    return (1 / (2 * hyper.beta)) ** 2


_TABLE = (
    _dpo_like("dpo", "Direct Preference Optimization", dpo_loss),
    # 0.1: what both authors try first for labels of unknown quality.
    _dpo_like("cdpo", "DPO that takes a share of the labels for wrong", cdpo_loss, label_smoothing=0.1),
    _dpo_like("robust", "DPO made unbiased for a share of wrong labels", robust_loss, label_smoothing=0.1),
    _dpo_like("hinge", "hinge loss on DPO's margin (SLiC)", hinge_loss, lambda _: 1.0),
    _dpo_like("ipo", "Identity Preference Optimization, averaged over tokens", ipo_loss, _ipo_first_loss),
    _dpo_like("ipo_sum", "Identity Preference Optimization, summed over tokens", ipo_sum_loss, _ipo_first_loss),
    # 5: Tülu 3's; the margin per token is some hundred times smaller than the sum that 0.1 is made for.
    _dpo_like("dpo_norm", "DPO on log-ratios per token", dpo_norm_loss, beta=5.0),
    Objective(
        name="kto",
        description="Kahneman-Tversky Optimization: single completions, each good or bad",
        data="labels",
        loss=kto_loss,
        metrics=kto_metrics,
        uses=frozenset({"beta", "desirable_weight", "undesirable_weight"}),
        first_loss=_kto_first_loss,
    ),
    Objective(
        name="orpo",
        description="Odds Ratio Preference Optimization: SFT and preference at once, no reference",
        needs_reference=False,
        loss=orpo_loss,
        metrics=orpo_metrics,
    ),
    Objective(
        name="simpo",
        description="Simple Preference Optimization: log-probabilities per token, no reference",
        needs_reference=False,
        loss=simpo_loss,
        metrics=simpo_metrics,
        uses=frozenset({"beta", "gamma"}),
        defaults=Hyperparameters(beta=2.0, gamma=1.0),  # the authors': gamma_beta_ratio 0.5
    ),
    _dpo_like(
        "dpo_sft",
        "DPO plus likelihood of the chosen side",
        dpo_sft_loss,
        lambda _: None,
        metrics=dpo_sft_metrics,
        sft_weight=1.0,  # Pang et al. 2024
    ),
    Objective(
        name="sft",
        description="supervised fine-tuning on demonstrations (or on the chosen side)",
        data="demonstrations",
        needs_reference=False,
        loss=sft_loss,
        metrics=lambda _logps, _hyper: {},
        uses=frozenset(),
    ),
)
OBJECTIVES: Mapping[str, Objective] = {objective.name: objective for objective in _TABLE}
