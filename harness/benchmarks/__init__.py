"""Benchmarks: lm-eval tasks answered by both sides, through the cache, paired per document."""

from .evaluation import draw, evaluate_side, set_shots
from .metrics import Metric, clusters, metrics
from .pairing import PairedDocument, pair
from .scores import DocumentScore, document_scores
from .tasks import Tasks, load_tasks

__all__ = [
    "DocumentScore",
    "Metric",
    "PairedDocument",
    "Tasks",
    "clusters",
    "document_scores",
    "draw",
    "evaluate_side",
    "load_tasks",
    "metrics",
    "pair",
    "set_shots",
]
