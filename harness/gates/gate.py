"""The Gate: what a metric must satisfy, and which gate covers which metric."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["non_inferiority", "superiority", "bound", "required"]
Severity = Literal["block", "warn"]
Status = Literal["pass", "fail", "inconclusive"]
Direction = Literal["higher", "lower"]

DIRECTIONS: Mapping[str, Direction | None] = {
    "pathology": "lower",
    "probe": "lower",
    "tax": "higher",
    "preference": "higher",
    "training": None,
}
"""Family of metrics -> which way is better; None where the gate has to say."""


class Gate(BaseModel):
    """A rule on the Estimate of one metric, or of all that a wildcard (`pathology.*`) matches."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    metric: str = Field(min_length=1)
    kind: Kind = "non_inferiority"
    """`non_inferiority`: worse by less than `tolerance`. `superiority`: better. `bound`: the candidate's own
    value on the good side of `tolerance`. `required`: measured. The whole interval has to show it."""
    tolerance: float = Field(default=0.0, ge=0)
    """In the metric's unit: 0.06 is six points of a share."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Of the two-sided interval; at 0.95 a true difference of just the tolerance passes 2.5 % of the time."""
    severity: Severity = "block"
    min_n: int = Field(default=1, ge=1)
    """Fewer scored items are inconclusive."""
    max_unscored: float = Field(default=0.05, ge=0, le=1)
    """A larger share of items without a score is inconclusive."""
    direction: Direction | None = None
    """Which way is better; by default from the metric's name."""

    @model_validator(mode="before")
    @classmethod
    def _derive_direction(cls, fields: Any) -> Any:
        metric = fields.get("metric") if isinstance(fields, dict) else None
        if not isinstance(metric, str) or fields.get("direction") is not None:
            return fields
        return fields | {"direction": DIRECTIONS.get(family_of(metric))}

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = "tolerance" in self.model_fields_set
        if self.kind in ("non_inferiority", "bound") and not given:
            raise ValueError(f"'tolerance' is missing: a {self.kind} gate needs it")
        if self.kind in ("superiority", "required") and self.tolerance != 0:
            raise ValueError(f"'tolerance' contradicts kind = \"{self.kind}\", which has none")
        if self.direction is None and self.kind != "required":
            raise ValueError('\'direction\' is missing: say "higher" or "lower", whichever is better')
        if family_of(self.metric) != "training" and self.tolerance > 1:
            raise ValueError(f"'tolerance' must be a share from 0 to 1 (0.06 is 6 points), got {self.tolerance:g}")
        return self

    @property
    def higher_is_better(self) -> bool:
        """Which way is better."""
        return self.direction == "higher"

    def matches(self, metric: str) -> bool:
        """Whether this gate's pattern covers `metric`; `*` stands for any characters, dots too."""
        pattern = ".*".join(map(re.escape, self.metric.split("*")))
        return re.fullmatch(pattern, metric) is not None

    @property
    def specificity(self) -> tuple[bool, int]:
        """Orders patterns: an exact name first, then the one with more literal characters."""
        return "*" not in self.metric, len(self.metric.replace("*", ""))


def family_of(metric: str) -> str:
    """`pathology` of `pathology.sycophancy`."""
    return metric.split(".")[0]


def gate_for(metric: str, gates: Iterable[Gate]) -> Gate | None:
    """The most specific gate that covers `metric`; None where none does."""
    return max((g for g in gates if g.matches(metric)), key=lambda g: g.specificity, default=None)


def level_for(metric: str, gates: Iterable[Gate]) -> float:
    """The confidence level that the metric's Estimate has to have."""
    gate = gate_for(metric, gates)
    return gate.level if gate else 0.95
