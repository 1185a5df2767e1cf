"""Gates: rules on Estimates, declared in gates.toml, that turn a comparison into a decision."""

from .decision import Decision, GateResult, decide, decision, judge_gates
from .gate import LENGTH_RATIO, Gate, Kind, Severity, Status, gate_for, is_share, level_for
from .plan import GatePlan, Plan, plan_gates
from .profile import JudgeAdmission, Profile, ProfileSettings, load_profile

__all__ = [
    "LENGTH_RATIO",
    "Decision",
    "Gate",
    "GatePlan",
    "GateResult",
    "JudgeAdmission",
    "Kind",
    "Plan",
    "Profile",
    "ProfileSettings",
    "Severity",
    "Status",
    "decide",
    "decision",
    "gate_for",
    "is_share",
    "judge_gates",
    "level_for",
    "load_profile",
    "plan_gates",
]
