"""Both sides' answers to the prompts and what the detectors see in them, taken batch by batch."""

import random
from collections.abc import Iterable, Mapping, Sequence

from .engine import Sampling, Side
from .generation import complete
from .items import Completion, Prompt, PromptSet
from .pathologies import Finding, detect
from .progress import progress_bar
from .store import Store


class Answers:
    """The prompts taken so far, with both sides' Completions and Findings, each in the order of `prompts`."""

    def __init__(self, sides: Mapping[str, Side], sampling: Mapping[str, Sampling], store: Store) -> None:
        self._sides, self._sampling, self._store = sides, sampling, store
        self.prompts: list[Prompt] = []
        self.completions: dict[str, list[Completion]] = {side: [] for side in sides}
        self.findings: dict[str, list[list[Finding]]] = {side: [] for side in sides}

    def take(self, prompts: Sequence[Prompt]) -> None:
        """Asks both sides `prompts` too."""
        batch = PromptSet("batch", tuple(prompts))
        for name, side in self._sides.items():
            with progress_bar(f"answers, {name}", "prompt") as progress:
                answers = complete(side, batch, self._sampling[name], self._store, progress=progress)
            self.completions[name] += answers
            self.findings[name] += [detect(prompt, answer) for prompt, answer in zip(batch, answers, strict=True)]
        self.prompts += prompts


def random_batches(prompts: Iterable[Prompt], *, first: int, then: int, seed: int) -> list[list[Prompt]]:
    """All of `prompts` in a random order, at least `first` of them in the first batch and `then` in each later one.

    Clusters stay together: only whole clusters are exchangeable.
    """
    clusters: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        clusters.setdefault(unit(prompt), []).append(prompt)
    order = list(clusters.values())
    random.Random(seed).shuffle(order)
    batches: list[list[Prompt]] = [[]]
    for cluster in order:
        if len(batches[-1]) >= (first if len(batches) == 1 else then):
            batches.append([])
        batches[-1] += cluster
    return batches


def unit(prompt: Prompt) -> str:
    """What is drawn independently: the prompt's cluster, or itself."""
    return prompt.content_hash if prompt.cluster is None else f"cluster {prompt.cluster}"
