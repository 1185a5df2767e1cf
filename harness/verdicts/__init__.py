"""What a judge's verdicts amount to: figures of both orders, biases, the audit, and a comparison's win rate."""

from .audit import Audit, CanaryResult, audit_judge, find_audit
from .figures import Bias, Figures, Known, Report, figures, report, win_rate
from .length import length_adjusted, length_correlation, length_note
from .recorded import read_verdicts

__all__ = [
    "Audit",
    "Bias",
    "CanaryResult",
    "Figures",
    "Known",
    "Report",
    "audit_judge",
    "figures",
    "find_audit",
    "length_adjusted",
    "length_correlation",
    "length_note",
    "read_verdicts",
    "report",
    "win_rate",
]
