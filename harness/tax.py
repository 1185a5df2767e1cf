"""The alignment tax alone: benchmark tasks answered by both sides, paired per document."""

import gc
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from .benchmarks import (
    Metric,
    PairedDocument,
    document_scores,
    draw,
    evaluate_side,
    load_tasks,
    metrics,
    pair,
    set_shots,
)
from .benchmarks.evaluation import SEED
from .benchmarks.files import write_lm_eval_files
from .checkpoints import Checkpoint
from .engine import Engine, Side
from .errors import UsageError
from .progress import progress_bar
from .store import Store


@dataclass(frozen=True)
class TaxSettings:
    """What decides the numbers."""

    tasks: tuple[str, ...]
    """Names of tasks, groups or tags."""
    include_path: Path | None = None
    """A folder of further task YAML files."""
    dtype: str = "auto"
    batch_size: int = 48
    limit: int | None = None
    """At most so many documents of each task, drawn at random."""
    num_fewshot: int | None = None
    apply_chat_template: bool = False
    allow_code_execution: bool = False
    prefix_sharing: bool = True
    seed: int = SEED
    """Of the documents drawn, of shots and of sampling."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"include_path": None if self.include_path is None else str(self.include_path)}


@dataclass(frozen=True)
class Tax:
    """The result."""

    baseline: Checkpoint
    candidate: Checkpoint
    settings: TaxSettings
    metrics: tuple[Metric, ...]
    flips: tuple[PairedDocument, ...]
    """Documents whose primary score differs, lost ones first."""

    def to_json(self) -> dict[str, Any]:
        """What `harness tax --json` writes."""
        rows: dict[str, dict[str, dict[str, Any]]] = {"tasks": {}, "groups": {}}
        for found in self.metrics:
            rows["groups" if found.is_group else "tasks"].setdefault(found.task, {})[found.metric] = found.to_json()
        return {
            **rows,
            "baseline": _described(self.baseline),
            "candidate": _described(self.candidate),
            "settings": self.settings.to_json(),
            "command": self.command(),
            "flips": [flip.to_json() for flip in self.flips],
        }

    def command(self) -> str:
        """The command that measures this again."""
        words = ["harness", "tax", self.baseline.spec, self.candidate.spec, "--tasks", ",".join(self.settings.tasks)]
        for option in fields(self.settings)[1:]:
            value, name = getattr(self.settings, option.name), option.name.replace("_", "-")
            if value != option.default:
                words += [f"--no-{name}"] if value is False else [f"--{name}", *([] if value is True else [str(value)])]
        return shlex.join(words)


def measure_tax(
    baseline: Checkpoint, candidate: Checkpoint, settings: TaxSettings, store: Store, *, output: Path | None = None
) -> Tax:
    """Scores both sides on the same documents, shots and prompts.

    `output`: a folder for lm-eval's own result files of each side. A LoRA candidate and its base are one model in
    memory; two full models are loaded one after the other. Raises UsageError for what cannot be measured so.
    """
    if output is not None:
        _make_folder(output)
    tasks = load_tasks(
        settings.tasks, include_path=settings.include_path, allow_code_execution=settings.allow_code_execution
    )
    set_shots(tasks, settings.num_fewshot)
    subset = None if settings.limit is None else draw(tasks, settings.limit, settings.seed)
    scores = []
    for name, side in _sides(baseline, candidate, settings):
        with progress_bar(f"benchmarks, {name}", "request") as progress:
            results = evaluate_side(
                tasks,
                side,
                store,
                progress=progress,
                prefix_sharing=settings.prefix_sharing,
                subset=subset,
                apply_chat_template=settings.apply_chat_template,
                allow_code_execution=settings.allow_code_execution,
                standard_errors=output is not None,
                seed=settings.seed,
            )
        scores.append(document_scores(tasks, results))
        if output is not None:
            write_lm_eval_files(results, output / name, side, settings.to_json())
    documents = pair(*scores)
    return Tax(baseline, candidate, settings, tuple(metrics(documents, tasks)), _flips(documents))


def _sides(baseline: Checkpoint, candidate: Checkpoint, settings: TaxSettings) -> Iterator[tuple[str, Side]]:
    """Both sides in turn; of two full models the first is let go before the second loads: it is asked no more."""
    engine = Engine(dtype=settings.dtype, batch_size=settings.batch_size)
    if settings.apply_chat_template:
        _check_templates(engine.side(baseline), engine.side(candidate))
    yield "baseline", engine.side(baseline)
    if candidate.root.fingerprint != baseline.root.fingerprint:
        engine = Engine(dtype=settings.dtype, batch_size=settings.batch_size)
        gc.collect()
    yield "candidate", engine.side(candidate)


def _check_templates(baseline: Side, candidate: Side) -> None:
    for side in (baseline, candidate):
        if not side.tokenizer.chat_template:
            raise UsageError(
                f"--apply-chat-template: {side.checkpoint.spec} has no chat template, and both sides must see the "
                "same prompts; leave the option out"
            )
    if baseline.tokenizer.chat_template != candidate.tokenizer.chat_template:
        raise UsageError(
            f"--apply-chat-template: {baseline.checkpoint.spec} and {candidate.checkpoint.spec} have different chat "
            "templates, and both sides must see the same prompts; leave the option out"
        )


def _flips(documents: Sequence[PairedDocument]) -> tuple[PairedDocument, ...]:
    flips = [document for document in documents if document.primary and document.candidate != document.baseline]
    return tuple(sorted(flips, key=lambda flip: flip.candidate - flip.baseline))


def _described(checkpoint: Checkpoint) -> dict[str, str]:
    return {"spec": checkpoint.spec, "fingerprint": checkpoint.fingerprint}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {folder}: cannot be made ({error.strerror})") from error
