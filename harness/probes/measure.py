"""Both sides asked a Probe's questions, through the cache, and paired item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..generation import complete
from ..items import PromptSet, chat
from ..progress import Progress, progress_bar
from ..statistics import Estimate, paired_estimate
from ..store import Store
from .items import Probe, Question, Reply

if TYPE_CHECKING:
    from ..engine import Sampling, Side


@dataclass(frozen=True)
class ProbeResult:
    """Both sides' replies, in the order of the probe's questions."""

    probe: Probe
    replies: Mapping[str, Sequence[Reply]]
    """By side."""

    @property
    def metric(self) -> str:
        return f"probe.{self.probe.name}"

    @cached_property
    def values(self) -> dict[str, dict[str, float | None]]:
        """Side -> item -> score."""
        return {
            side: {score.item: score.value for score in self.probe.scores(replies)}
            for side, replies in self.replies.items()
        }

    def estimate(self, level: float) -> Estimate:
        """Candidate - baseline over the items that say something about both sides; each item is independent."""
        baseline, candidate = self.values["baseline"], self.values["candidate"]
        pairs = [(value, candidate[item]) for item, value in baseline.items()]
        both = [(before, after) for before, after in pairs if before is not None and after is not None]
        if not both:
            return Estimate.missing("no item that both sides answer rightly without pressure", level=level)
        return paired_estimate(*zip(*both, strict=True), level=level)

    def rows(self) -> list[dict[str, Any]]:
        """Of probes.jsonl: each side's reply to each question, with the value of its item."""
        return [
            {
                "probe": self.probe.name,
                "side": side,
                "item": question.item,
                "condition": question.condition,
                "prompt_hash": question.prompt.content_hash,
                "messages": chat(question.prompt.messages),
                "options": list(question.options),
                "log_probs": list(reply.log_probs),
                "completion": asdict(reply.completion) if reply.completion else None,
                "value": self.values[side][question.item],
            }
            for side, replies in self.replies.items()
            for question, reply in zip(self.probe.questions, replies, strict=True)
        ]


def measure_probe(
    probe: Probe, sides: "Mapping[str, Side]", sampling: "Mapping[str, Sampling]", store: Store
) -> ProbeResult:
    """Asks each side (with the Sampling of its name, where it writes) what the cache does not know yet."""
    replies = {}
    for name, side in sides.items():
        with progress_bar(f"probe {probe.name}, {name}", "question") as progress:
            replies[name] = _ask(probe, side, sampling[name], store, progress)
    return ProbeResult(probe, replies)


def _ask(probe: Probe, side: "Side", sampling: "Sampling", store: Store, progress: Progress) -> list[Reply]:
    questions = probe.questions
    if questions[0].options:
        return _option_log_probs(questions, side, store, progress)
    prompts = PromptSet(probe.name, tuple(question.prompt for question in questions))
    return [Reply(completion=answer) for answer in complete(side, prompts, sampling, store, progress=progress)]


def _option_log_probs(questions: Sequence[Question], side: "Side", store: Store, progress: Progress) -> list[Reply]:
    """Through the benchmarks' model: what several options or conversations begin with is computed once."""
    from lm_eval.api.instance import Instance

    from ..benchmarks.cached import CachedLM
    from ..benchmarks.quiet import quiet_lm_eval

    contexts = [side.render(chat(question.prompt.messages)) for question in questions]
    requests = [
        Instance("loglikelihood", {}, (context, option), number, (question.item, number, 1))
        for number, (question, context) in enumerate(zip(questions, contexts, strict=True))
        for option in question.options
    ]
    with quiet_lm_eval():
        answers = iter(CachedLM(side, store, progress).loglikelihood(requests))
    return [Reply(tuple(next(answers)[0] for _ in question.options)) for question in questions]
