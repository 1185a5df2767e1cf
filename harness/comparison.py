"""One comparison of a candidate with its baseline: sections measured on demand, Estimates, Gates, Decision, Run."""

import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import __version__
from .benchmarks import PairedDocument, load_tasks, pair, score
from .checkpoints import Checkpoint
from .engine import Engine, Sampling, Side
from .errors import UsageError
from .gates import GateResult, Profile, decide, decision, gate_for, judge_gates, level_for, load_profile
from .generation import complete
from .items import Completion, PromptSet, chat
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
from .pathologies import DETECTORS, Finding, detect
from .preferences import CachedOptions, PairScore, load_pairs, pair_scores
from .progress import progress_bar
from .prompts import load_prompts
from .runs import RunFiles, write_run
from .settings import Settings
from .statistics import Estimate, mean_estimate, paired_estimate
from .store import Store

SIDES = ("baseline", "candidate")
PAIR_ACCURACY = "preference.pair_accuracy"
WIN_RATE = "preference.win_rate"
_PACKAGES = ("torch", "transformers", "peft", "lm_eval", "numpy", "scipy")


@dataclass(frozen=True)
class Judged:
    """What a judge did: its audit, and its outcomes on the prompts if it was admitted."""

    audit: Audit
    outcomes: tuple[PairOutcome, ...]


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
        self.sections: dict[str, Callable[[], dict[str, Estimate]]] = {
            "pathologies": self._pathologies,
            "pairs": self._pair_accuracy,
            "judge": self._win_rate,
            "tax": self._tax,
        }
        self.estimates: dict[str, Estimate] = {}
        self._cache_before = (store.hits, store.misses)
        self._measured: set[str] = set()

    @cached_property
    def engine(self) -> Engine:
        return Engine(dtype=self.settings.dtype, batch_size=self.profile.settings.batch_size)

    @cached_property
    def sides(self) -> dict[str, Side]:
        return {name: self.engine.side(checkpoint) for name, checkpoint in self.checkpoints.items()}

    @cached_property
    def completions(self) -> dict[str, list[Completion]]:
        """Both sides' answers, in the order of the prompts."""
        sampling = Sampling(max_new_tokens=self.profile.settings.max_new_tokens, seed=self.settings.seed)
        answers = {}
        for name, side in self.sides.items():
            with progress_bar(f"answers, {name}", "prompt") as progress:
                answers[name] = complete(side, self.prompts, sampling, self.store, progress=progress)
        return answers

    @cached_property
    def findings(self) -> dict[str, list[list[Finding]]]:
        """Both sides' Findings, one list per prompt."""
        return {
            name: [detect(prompt, answer) for prompt, answer in zip(self.prompts, answers, strict=True)]
            for name, answers in self.completions.items()
        }

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
    def judged(self) -> Judged | None:
        """The judge's audit and, if it is admitted, its outcomes; None without a judge."""
        if self._judge_checkpoint is None:
            return None
        judge: Judge = LocalJudge(CachedOptions(self.engine.side(self._judge_checkpoint), self.store))
        thresholds = self.profile.judge
        with progress_bar("judge audit", "call") as progress:
            audited = audit(
                judge,
                load_gold_pairs(),
                AuditThresholds(thresholds.accuracy, thresholds.agreement, thresholds.unscored),
                progress=progress,
            )
        if not audited.admitted:
            return Judged(audited, ())
        with progress_bar("judge", "call") as progress:
            return Judged(audited, tuple(play_both_orders(judge, self._questions(), progress=progress)))

    def measure(self, section: str) -> None:
        """Measures a section, once; its Estimates are then in `estimates`."""
        if section not in self._measured:
            self.estimates |= self.sections[section]()
            self._measured.add(section)

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

    def _pathologies(self) -> dict[str, Estimate]:
        flagged = {
            side: {d.name: [any(f.detector == d.name for f in found) for found in lists] for d in DETECTORS}
            for side, lists in self.findings.items()
        }
        return {
            metric: self._difference(metric, flagged["baseline"][name], flagged["candidate"][name])
            for name in (detector.name for detector in DETECTORS)
            for metric in (f"pathology.{name}",)
        }

    def _pair_accuracy(self) -> dict[str, Estimate]:
        return {PAIR_ACCURACY: self._share(PAIR_ACCURACY, [scored.score for scored in self.pair_scores])}

    def _tax(self) -> dict[str, Estimate]:
        by_metric: dict[str, list[PairedDocument]] = {"tax.pooled": [d for d in self.documents if d.primary]}
        for document in self.documents:
            by_metric.setdefault(f"tax.{document.task}.{document.metric}", []).append(document)
        return {
            metric: self._difference(metric, [d.baseline for d in documents], [d.candidate for d in documents])
            for metric, documents in by_metric.items()
        }

    def _win_rate(self) -> dict[str, Estimate]:
        judged = self.judged
        if judged is None:
            return {}
        if not judged.audit.admitted:
            note = f"judge {judged.audit.judge} not admitted: {'; '.join(judged.audit.reasons)}"
            return {WIN_RATE: Estimate.missing(note)}
        scores = [outcome.score for outcome in judged.outcomes if outcome.score is not None]
        if not scores:
            return {WIN_RATE: Estimate.missing("the judge scored no pair", unscored=len(judged.outcomes))}
        return {WIN_RATE: self._share(WIN_RATE, scores, unscored=len(judged.outcomes) - len(scores))}

    def _difference(self, metric: str, baseline: Sequence[float], candidate: Sequence[float]) -> Estimate:
        return paired_estimate(baseline, candidate, level=level_for(metric, self.profile.gates))

    def _share(self, metric: str, values: Sequence[float], *, unscored: int = 0) -> Estimate:
        return mean_estimate(values, level=level_for(metric, self.profile.gates), unscored=unscored)

    def _questions(self) -> list[Question]:
        texts = {side: {a.prompt_hash: a.text for a in answers} for side, answers in self.completions.items()}
        return [
            Question(h, conversation(chat(p.messages)), texts["candidate"][h], texts["baseline"][h])
            for p in self.prompts
            for h in (p.content_hash,)
        ]

    def _judge_summary(self) -> dict[str, Any] | None:
        judged = self.judged if "judge" in self._measured else None
        if judged is None:
            return None
        audited = judged.audit
        return {
            "spec": audited.judge,
            "admitted": audited.admitted,
            "reasons": list(audited.reasons),
        } | asdict(audited.overall)

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of the Run's JSONL files, for the sections that were measured."""
        prompts = {prompt.content_hash: prompt for prompt in self.prompts}
        rows: dict[str, list[dict[str, Any]]] = {
            "completions": [],
            "findings": [],
            "verdicts": [],
            "benchmarks": [],
            "pairs": [],
        }
        if "pathologies" in self._measured or "completions" in self.__dict__:
            for side, answers in self.completions.items():
                rows["completions"] += [_completion_row(side, prompts[a.prompt_hash], a) for a in answers]
        if "pathologies" in self._measured:
            for side, lists in self.findings.items():
                rows["findings"] += [
                    {"side": side, "prompt_id": p.id, "prompt_hash": p.content_hash, **asdict(finding)}
                    for p, found in zip(self.prompts, lists, strict=True)
                    for finding in found
                ]
        if "judge" in self._measured and self.judged:
            for outcome in self.judged.outcomes:
                for verdict in outcome.verdicts:
                    prompt = prompts[verdict.question_id]
                    rows["verdicts"].append(
                        verdict.to_row() | {"prompt_id": prompt.id, "prompt_hash": prompt.content_hash}
                    )
        if "tax" in self._measured:
            rows["benchmarks"] = [document.to_json() for document in self.documents]
        if "pairs" in self._measured:
            rows["pairs"] = [_pair_row(scored) for scored in self.pair_scores]
        return rows


def section_of(metric: str) -> str:
    """The section that measures a metric. Raises UsageError for a name that none does."""
    names = {"pathology": "pathologies", "tax": "tax"}
    exact = {PAIR_ACCURACY: "pairs", WIN_RATE: "judge"}
    section = exact.get(metric) or names.get(metric.split(".")[0])
    if section is None:
        raise UsageError(f"unknown metric '{metric}'; known: pathology.<name>, tax.<task>.<metric>, {', '.join(exact)}")
    return section


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


def _completion_row(side: str, prompt: Any, completion: Completion) -> dict[str, Any]:
    return {"side": side, "category": prompt.category, "messages": chat(prompt.messages)} | asdict(completion)


def _pair_row(scored: PairScore) -> dict[str, Any]:
    return asdict(scored.pair) | {
        "chosen_gain": scored.chosen_gain,
        "rejected_gain": scored.rejected_gain,
        "score": scored.score,
    }
