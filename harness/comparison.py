"""One comparison of a candidate with its baseline: sections measured on demand, Estimates, Gates, Decision, Run."""

import platform
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import __version__
from .answers import Answers, random_batches, unit
from .benchmarks import PairedDocument, load_tasks, pair, score
from .checkpoints import Checkpoint
from .engine import Engine, Sampling, Side
from .errors import HarnessError, UsageError
from .gates import GateResult, Profile, decide, decision, gate_for, judge_gates, level_for, load_profile
from .items import Prompt, PromptSet, chat
from .judges import (
    Audit,
    AuditThresholds,
    Judge,
    PairOutcome,
    Question,
    audit,
    conversation,
    load_gold_pairs,
    play_both_orders,
)
from .judges.local import LocalJudge
from .junit import junit_xml
from .noise import noise_floors
from .pathologies import DETECTORS
from .preferences import PAIR_ACCURACY, WIN_RATE, CachedOptions, PairScore, load_pairs, pair_scores
from .progress import progress_bar
from .prompts import load_prompts
from .rows import completion_rows, finding_rows, pair_rows, verdict_rows
from .runs import RunFiles, write_run
from .settings import Settings
from .statistics import Estimate, mean_estimate, paired_estimate, sequential_estimate
from .store import Store

SIDES = ("baseline", "candidate")
_ON_PROMPTS = ("pathologies", "judge")
"""Sections that take prompts; --extend gives them more."""
_PATHOLOGIES = {f"pathology.{detector.name}": detector for detector in DETECTORS}
_PACKAGES = ("torch", "transformers", "peft", "lm_eval", "numpy", "scipy")


@dataclass(frozen=True)
class Outcome:
    """A finished comparison."""

    run: Path
    summary: Mapping[str, Any]
    """run.json."""
    results: tuple[GateResult, ...]


class Comparison:
    """Measures each section when it is first asked for, both sides at once, through the store's cache."""

    def __init__(self, baseline: Checkpoint, candidate: Checkpoint, settings: Settings, store: Store) -> None:
        self.checkpoints = dict(zip(SIDES, (baseline, candidate), strict=True))
        self.settings = settings
        self.profile: Profile = load_profile(settings.profile, settings.gates)
        self.store = store
        # Everything that a typing mistake can break is read before any model loads.
        self.prompts: PromptSet = load_prompts(settings.prompts or self.profile.settings.prompts)
        self.pairs = load_pairs(settings.pairs or self.profile.settings.pairs)
        self._judge_checkpoint = _judge_checkpoint(settings.judge)
        if settings.resample and baseline.fingerprint != candidate.fingerprint:
            raise UsageError("--resample compares a checkpoint with itself: give the same one twice")
        self.sections: dict[str, Callable[[], dict[str, Estimate]]] = {
            "pathologies": self._pathologies,
            "pairs": self._pair_accuracy,
            "judge": self._win_rate,
            "tax": self._tax,
        }
        self.estimates: dict[str, Estimate] = {}
        self._cache_before = (store.hits, store.misses)
        self._measured: set[str] = set()
        self._waiting = self._prompt_batches()
        self._outcomes: list[PairOutcome] = []

    @cached_property
    def engine(self) -> Engine:
        return Engine(dtype=self.settings.dtype, batch_size=self.profile.settings.batch_size)

    @cached_property
    def sides(self) -> dict[str, Side]:
        sides = {name: self.engine.side(checkpoint) for name, checkpoint in self.checkpoints.items()}
        if self.settings.resample:
            # Half, and odd: other neighbours, other padding, other kernels.
            other = max(1, self.engine.batch_size // 2 - 1)
            sides["candidate"] = self.engine.side(self.checkpoints["candidate"], batch_size=other)
        return sides

    @cached_property
    def answers(self) -> Answers:
        """Both sides' answers to the prompts taken so far."""
        seeds = {"baseline": self.settings.seed, "candidate": self.settings.seed + self.settings.resample}
        tokens, temperature = self.profile.settings.max_new_tokens, self.settings.temperature
        sampling = {side: Sampling(tokens, temperature=temperature, seed=seed) for side, seed in seeds.items()}
        return Answers(self.sides, sampling, self.store)

    @cached_property
    def tasks(self) -> Any:
        """The benchmark tasks, as lm-eval loads them."""
        return load_tasks(self.profile.settings.tasks)

    @cached_property
    def documents(self) -> list[PairedDocument]:
        """The benchmark documents with both sides' scores."""
        scores = []
        for name, side in self.sides.items():
            with progress_bar(f"benchmarks, {name}", "request") as progress:
                scores.append(score(self.tasks, side, self.store, progress=progress))
        return pair(*scores)

    @cached_property
    def pair_scores(self) -> list[PairScore]:
        """The held-out pairs with what each side makes of them."""
        with progress_bar("held-out pairs", "pair") as progress:
            return pair_scores(
                self.sides["baseline"], self.sides["candidate"], self.pairs, self.store, progress=progress
            )

    @cached_property
    def judge(self) -> Judge | None:
        """The judge that was asked for, or None."""
        if self._judge_checkpoint is None:
            return None
        return LocalJudge(CachedOptions(self.engine.side(self._judge_checkpoint), self.store))

    @cached_property
    def audit(self) -> Audit:
        """The judge's audit."""
        assert self.judge is not None
        thresholds = self.profile.judge
        with progress_bar("judge audit", "call") as progress:
            return audit(
                self.judge,
                load_gold_pairs(),
                AuditThresholds(thresholds.accuracy, thresholds.agreement, thresholds.unscored),
                progress=progress,
            )

    def measure(self, section: str) -> None:
        """Measures a section, once; its Estimates are then in `estimates`.

        With --extend, what rests on prompts takes more of them while a blocking gate on it is inconclusive.
        """
        if section in self._measured:
            return
        self._measured.add(section)
        if section not in _ON_PROMPTS:
            self.estimates |= self.sections[section]()
            return
        if not self.answers.prompts:
            self.answers.take(self._waiting.pop(0))
        self._look()
        while self._waiting and self._undecided():
            self.answers.take(self._waiting.pop(0))
            self._look()

    def measure_all(self) -> None:
        """Measures every section; a task that cannot be loaded is said before any model is asked."""
        _ = self.tasks  # loads them, or says why not
        for section in self.sections:
            self.measure(section)

    def check(self, metric: str) -> GateResult:
        """The result of the gate on one metric, its section measured if need be."""
        self.measure(section_of(metric))
        gate = gate_for(metric, self.profile.gates)
        if gate is None:
            raise UsageError(f"no gate in profile '{self.profile.name}' covers the metric '{metric}'")
        return decide(self.estimates.get(metric), gate, metric)

    def results(self) -> list[GateResult]:
        """Every gate's result; a declared gate whose metric was not measured is INCONCLUSIVE."""
        return judge_gates(self.estimates, self.profile.gates, without_judge=self.settings.judge is None)

    def finish(self) -> Outcome:
        """Decides on what has been measured and writes the Run."""
        results = self.results()
        verdict = decision(results)
        summary = {
            "decision": verdict,
            "reasons": reasons(verdict, results),
            "profile": self.profile.name,
            **{name: _described(checkpoint) for name, checkpoint in self.checkpoints.items()},
            "settings": asdict(self.settings) | {"measured": self.profile.settings.model_dump()},
            "command": self.command(),
            "versions": versions(),
            "seed": self.settings.seed,
            "cache": {
                "hits": self.store.hits - self._cache_before[0],
                "misses": self.store.misses - self._cache_before[1],
            },
            "estimates": {metric: estimate.to_json() for metric, estimate in self.estimates.items()},
            "gates": [result.to_json() for result in results],
            "prompts": {"taken": len(self.answers.prompts), "of": len(self.prompts)} if self._asked_prompts else None,
            "noise": noise_floors(results) if self.settings.resample else None,
            "judge": self._judge_summary(),
        }
        curves = self.checkpoints["candidate"].path / "metrics.jsonl"
        files = RunFiles(summary, self._rows(), junit_xml(verdict, results), curves if curves.is_file() else None)
        run = write_run(files, self.store.path.parent, self.store)
        return Outcome(run, summary | {"run": run.name}, tuple(results))

    def command(self) -> str:
        """The command that repeats (or resumes) this comparison."""
        words = ["harness", "compare", *(checkpoint.spec for checkpoint in self.checkpoints.values())]
        default = Settings()
        for name, value in asdict(self.settings).items():
            if value != getattr(default, name):
                option = f"--{name.replace('_', '-')}"
                words += [option] if value is True else [option, str(value)]
        return shlex.join(words)

    def _prompt_batches(self) -> list[list[Prompt]]:
        """All prompts at once; with --extend as many as the gates ask for at least, then a batch at a time."""
        if not self.settings.extend:
            return [list(self.prompts)]
        sections = _ON_PROMPTS if self.settings.judge else ("pathologies",)
        asked = [gate.min_n for gate in self.profile.gates if _section(gate.metric) in sections]
        size = self.profile.settings.batch_size
        return random_batches(self.prompts, first=max(asked, default=size), then=size, seed=self.settings.seed)

    @property
    def _asked_prompts(self) -> bool:
        return bool(self._measured & set(_ON_PROMPTS))

    def _look(self) -> None:
        for section in _ON_PROMPTS:
            if section in self._measured:
                self.estimates |= self.sections[section]()

    def _undecided(self) -> bool:
        """Whether more prompts may decide a gate that blocks."""
        return any(
            result.status == "inconclusive" and result.severity == "block" and self.estimates[result.metric].measured
            for result in self.results()
            if result.metric in self.estimates and _section(result.metric) in _ON_PROMPTS
        )

    def _pathologies(self) -> dict[str, Estimate]:
        return {metric: self._pathology(metric, detector.name) for metric, detector in _PATHOLOGIES.items()}

    def _pathology(self, metric: str, detector: str) -> Estimate:
        flagged = [
            [float(any(f.detector == detector for f in found)) for found in self.answers.findings[side]]
            for side in SIDES
        ]
        return self._on_prompts(metric, flagged[0], flagged[1])

    def _pair_accuracy(self) -> dict[str, Estimate]:
        scores = [scored.score for scored in self.pair_scores]
        # Pairs of one prompt are not independent.
        prompts = [scored.pair.prompt for scored in self.pair_scores]
        level = level_for(PAIR_ACCURACY, self.profile.gates)
        return {PAIR_ACCURACY: _estimate(mean_estimate, scores, clusters=prompts, level=level)}

    def _tax(self) -> dict[str, Estimate]:
        by_metric: dict[str, list[PairedDocument]] = {"tax.pooled": [d for d in self.documents if d.primary]}
        for document in self.documents:
            by_metric.setdefault(f"tax.{document.task}.{document.metric}", []).append(document)
        return {
            metric: paired_estimate(
                [document.baseline for document in documents],
                [document.candidate for document in documents],
                level=level_for(metric, self.profile.gates),
            )
            for metric, documents in by_metric.items()
        }

    def _win_rate(self) -> dict[str, Estimate]:
        if self.judge is None:
            return {}
        if self.audit.overall.unscored == self.audit.overall.n:
            reasons = "; ".join(self.audit.reasons)
            raise HarnessError(f"judge {self.audit.judge} scored none of the labelled pairs of its audit: {reasons}")
        if not self.audit.admitted:
            note = f"judge {self.audit.judge} not admitted: {'; '.join(self.audit.reasons)}"
            return {WIN_RATE: Estimate.missing(note)}
        with progress_bar("judge", "call") as progress:
            self._outcomes += play_both_orders(self.judge, self._questions(), progress=progress)
        scores = {o.question_id: o.score for o in self._outcomes if o.score is not None}
        if not scores:
            raise HarnessError(f"judge {self.judge.name} scored no pair: {_failures(self._outcomes)}")
        scored = [prompt for prompt in self.answers.prompts if prompt.content_hash in scores]
        values = [scores[prompt.content_hash] for prompt in scored]
        return {WIN_RATE: self._on_prompts(WIN_RATE, None, values, scored)}

    def _on_prompts(
        self,
        metric: str,
        baseline: Sequence[float] | None,
        candidate: Sequence[float],
        scored: Sequence[Prompt] | None = None,
    ) -> Estimate:
        """The Estimate from one value per scored prompt (by default all that were taken); clusters count as one."""
        prompts = self.answers.prompts if scored is None else scored
        units = [unit(prompt) for prompt in prompts]
        level = level_for(metric, self.profile.gates)
        unscored = len(self.answers.prompts) - len(prompts)
        if self.settings.extend:
            return sequential_estimate(baseline, candidate, clusters=units, level=level, unscored=unscored)
        if baseline is None:
            return _estimate(mean_estimate, candidate, clusters=units, level=level, unscored=unscored)
        return _estimate(paired_estimate, baseline, candidate, clusters=units, level=level, unscored=unscored)

    def _questions(self) -> list[Question]:
        """Of the prompts that the judge has not seen yet."""
        answers = (self.answers.prompts, self.answers.completions["candidate"], self.answers.completions["baseline"])
        return [
            Question(prompt.content_hash, conversation(chat(prompt.messages)), candidate.text, baseline.text)
            for prompt, candidate, baseline in list(zip(*answers, strict=True))[len(self._outcomes) :]
        ]

    def _judge_summary(self) -> dict[str, Any] | None:
        if "judge" not in self._measured or self.judge is None:
            return None
        audited = self.audit
        return {
            "spec": audited.judge,
            "admitted": audited.admitted,
            "reasons": list(audited.reasons),
        } | asdict(audited.overall)

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of the Run's JSONL files, for the sections that were measured."""
        answers = self.answers if self._asked_prompts else None
        return {
            "completions": completion_rows(answers) if answers else [],
            "findings": finding_rows(answers) if answers and "pathologies" in self._measured else [],
            "verdicts": verdict_rows(self.prompts, self._outcomes),
            "benchmarks": [document.to_json() for document in self.documents] if "tax" in self._measured else [],
            "pairs": pair_rows(self.pair_scores) if "pairs" in self._measured else [],
        }


def section_of(metric: str) -> str:
    """The section that measures a metric. Raises UsageError for a name that none does."""
    section = _section(metric)
    if section is None:
        known = f"pathology.<name>, tax.<task>.<metric>, {PAIR_ACCURACY}, {WIN_RATE}"
        raise UsageError(f"unknown metric '{metric}'; known: {known}")
    return section


def _section(metric: str) -> str | None:
    exact = {PAIR_ACCURACY: "pairs", WIN_RATE: "judge"}
    return exact.get(metric) or {"pathology": "pathologies", "tax": "tax"}.get(metric.split(".")[0])


def reasons(verdict: str, results: Sequence[GateResult]) -> list[str]:
    """The sentences that led to the decision: of the blocking gates, those that decided it; what was gained first."""
    status = {"promote": "pass", "reject": "fail", "inconclusive": "inconclusive"}[verdict]
    deciding = [r for r in results if r.severity == "block" and r.status == status]
    if verdict == "promote":
        deciding.sort(key=lambda r: not r.metric.startswith("preference."))
    return [r.reason for r in deciding]


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"harness": __version__, "python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def _described(checkpoint: Checkpoint) -> dict[str, str]:
    return {"spec": checkpoint.spec, "fingerprint": checkpoint.fingerprint, "path": str(checkpoint.path)}


def _judge_checkpoint(spec: str | None) -> Checkpoint | None:
    from .checkpoints import resolve

    if spec is None:
        return None
    kind, _, name = spec.partition(":")
    if kind != "local" or not name:
        raise UsageError(f"--judge {spec}: expected local:CHECKPOINT, e.g. local:smollm2")
    return resolve(name)


def _estimate(method: Callable[..., Estimate], *values: Sequence[float], **options: Any) -> Estimate:
    """The Estimate, or one without a number that says what the values lack (e.g. a second cluster)."""
    try:
        return method(*values, **options)
    except ValueError as error:
        return Estimate.missing(str(error), level=options["level"])


def _failures(outcomes: Sequence[PairOutcome]) -> str:
    """The reasons of unscored verdicts, the most frequent first."""
    reasons = Counter(v.reason for outcome in outcomes for v in outcome.verdicts if v.outcome == "unscored")
    return "; ".join(f"{reason} ({count} calls)" for reason, count in reasons.most_common(3))
