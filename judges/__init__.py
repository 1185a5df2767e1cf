"""Pairwise judging: every pair in both orders, by a judge that is measured before it counts.

    questions ──► play_both_orders ──► Judge ──► Verdicts ──► PairOutcomes (win, loss, tie, split, unscored)
    gold pairs ──► audit ──► Audit: admitted or not, and why

This module stays light (no numpy, no jinja2); backends are imported by name: `judges.local.LocalJudge`.
"""

from .audit import Audit, AuditThresholds, Figures, audit
from .errors import JudgeDataError
from .gold import load_gold_pairs
from .orders import play_both_orders
from .verdicts import Game, Judge, PairOutcome, Progress, Question, Turn, Verdict, conversation

__all__ = [
    "Audit",
    "AuditThresholds",
    "Figures",
    "Game",
    "Judge",
    "JudgeDataError",
    "PairOutcome",
    "Progress",
    "Question",
    "Turn",
    "Verdict",
    "audit",
    "conversation",
    "load_gold_pairs",
    "play_both_orders",
]
