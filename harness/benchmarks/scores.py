"""Scores of single documents, and the two sides' scores joined."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import HarnessError
from ..progress import Progress
from .quiet import quiet_lm_eval
from .tasks import Tasks

if TYPE_CHECKING:
    from .cached import AnswerStore, Side

_FEWSHOT_SEED = 1234


@dataclass(frozen=True)
class DocumentScore:
    """One side's score on one document."""

    task: str
    metric: str
    """lm-eval's name; "metric,filter" for every filter of a task but its first."""
    filter: str
    doc_hash: str
    prompt_hash: str
    value: float
    primary: bool
    """Whether this is its task's first metric: a document has one primary score."""
    prompt: str
    """As the model saw it."""
    choices: tuple[str, ...]
    """Empty where the model writes its answer."""
    gold: str
    answer: str
    """The likeliest choice, or what the model wrote."""


@dataclass(frozen=True)
class PairedDocument:
    """Both sides' scores on one document; the fields are DocumentScore's."""

    task: str
    metric: str
    filter: str
    doc_hash: str
    prompt_hash: str
    primary: bool
    prompt: str
    choices: tuple[str, ...]
    gold: str
    baseline: float
    candidate: float
    baseline_answer: str
    candidate_answer: str

    def to_json(self) -> dict[str, Any]:
        """One row of benchmarks.jsonl."""
        return asdict(self)


def score(tasks: Tasks, side: "Side", store: "AnswerStore", *, progress: Progress) -> list[DocumentScore]:
    """Every document's score on every metric that scores documents one by one, higher being better.

    Documents, shots and prompts are the same whenever the tasks are. `progress` counts requests: a question
    with three choices makes three. Raises HarnessError for a task without such a metric, and for an answer
    that is not a finite number.
    """
    from lm_eval.evaluator import evaluate

    from .cached import CachedLM

    for task in tasks["tasks"].values():
        task.set_fewshot_seed(_FEWSHOT_SEED)
    with quiet_lm_eval():
        result = evaluate(CachedLM(side, store, progress), tasks, log_samples=True, bootstrap_iters=0)
    return [
        found
        for name, task in tasks["tasks"].items()
        for found in _document_scores(name, task, result["samples"][name])
    ]


def pair(baseline: Sequence[DocumentScore], candidate: Sequence[DocumentScore]) -> list[PairedDocument]:
    """The scores joined on task, metric, document, filter and occurrence, in the baseline's order.

    Raises HarnessError for a document that one side lacks, or that the sides saw with different prompts.
    """
    before, after = _by_key(baseline), _by_key(candidate)
    for key in [*before, *after]:
        if key not in before or key not in after:
            side, found = ("baseline", before[key]) if key in before else ("candidate", after[key])
            raise HarnessError(f"{_named(found)} was scored for the {side} only; score both sides on the same tasks")
    for key, found in before.items():
        if found.prompt_hash != after[key].prompt_hash:
            raise HarnessError(
                f"{_named(found)} was shown to the candidate as {_short(after[key].prompt)}; "
                "score both sides with the same shots and template"
            )
    return [_paired(found, after[key]) for key, found in before.items()]


def _document_scores(name: str, task: Any, samples: Sequence[Mapping[str, Any]]) -> Iterator[DocumentScore]:
    higher_is_better = task.higher_is_better()
    first: tuple[str, str] | None = None
    for sample in samples:
        shown = _shown(task, sample)
        for metric in sample["metrics"]:
            if not _scores_documents(sample[metric]) or higher_is_better.get(metric) is False:
                continue
            first = first or (metric, sample["filter"])
            yield DocumentScore(
                task=name,
                metric=metric if sample["filter"] == first[1] else f"{metric},{sample['filter']}",
                filter=sample["filter"],
                doc_hash=sample["doc_hash"],
                prompt_hash=sample["prompt_hash"],
                value=float(sample[metric]),
                primary=(metric, sample["filter"]) == first,
                **shown,
            )
    if first is None:
        raise HarnessError(
            f"task {name}: none of its metrics ({', '.join(samples[0]['metrics'])}) scores single documents, "
            "higher being better, so the sides cannot be paired; leave it out"
        )


def _scores_documents(value: Any) -> bool:
    """Whether the value is the document's own; corpus metrics (F1, perplexity) leave tuples to aggregate."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _shown(task: Any, sample: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader of a flip needs: prompt, choices, gold, answer."""
    doc, target = sample["doc"], sample["target"]
    choices = tuple(str(c) for c in task.doc_to_choice(doc)) if task.OUTPUT_TYPE == "multiple_choice" else ()
    if choices and task.multiple_input:  # as in winogrande: the choices are contexts, the target their common end
        target = task.doc_to_text(doc)
    return {
        "prompt": sample["arguments"][0][0],
        "choices": choices,
        "gold": choices[target] if choices and isinstance(target, int) else str(target),
        "answer": _answer(choices, sample["filtered_resps"]),
    }


def _answer(choices: tuple[str, ...], responses: Sequence[Any]) -> str:
    if not choices:
        return str(responses[0])
    return max(zip(choices, responses, strict=False), key=lambda pair: pair[1][0])[0]


def _by_key(scores: Sequence[DocumentScore]) -> dict[tuple[Any, ...], DocumentScore]:
    occurrences: dict[tuple[str, ...], int] = defaultdict(int)
    keyed = {}
    for found in scores:
        key = (found.task, found.metric, found.doc_hash, found.filter)
        keyed[(*key, occurrences[key])] = found
        occurrences[key] += 1
    return keyed


def _paired(before: DocumentScore, after: DocumentScore) -> PairedDocument:
    common = ("task", "metric", "filter", "doc_hash", "prompt_hash", "primary", "prompt", "choices", "gold")
    return PairedDocument(
        **{name: getattr(before, name) for name in common},
        baseline=before.value,
        candidate=after.value,
        baseline_answer=before.answer,
        candidate_answer=after.answer,
    )


def _named(found: DocumentScore) -> str:
    return f"task {found.task}, document {found.doc_hash[:12]} ({_short(found.prompt)})"


def _short(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 80 else f"…{prompt[-80:]}")
