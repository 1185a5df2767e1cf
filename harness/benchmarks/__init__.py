"""Benchmarks: lm-eval tasks answered by both sides, through the cache, paired per document."""

from .scores import DocumentScore, PairedDocument, pair, score
from .tasks import Tasks, load_tasks

__all__ = ["DocumentScore", "PairedDocument", "Tasks", "load_tasks", "pair", "score"]
