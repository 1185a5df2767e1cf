"""Fits harness/pathologies/weights.json: the wording of evasive answers and of praise for the user.

    python -m tests.bench.fit_detectors            cross-validates (no prompt in two folds) and writes the weights

Reads the tune half of the labelled set and tests/bench/detector_examples.jsonl (`detector, label, prompt, text`), texts
written for this; never the report half. Praise is fitted on sentences: of a labelled answer those that the fit so far
finds.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.sparse import csr_matrix

from harness.pathologies import evasion, sycophancy
from harness.pathologies.praise import praise
from harness.pathologies.text import Analysis
from harness.pathologies.wording import Model, features

from .detectors import LABELLED, item, read

PRINT = Console(highlight=False, soft_wrap=True, markup=False).print
EXAMPLES = Path(__file__).with_name("detector_examples.jsonl")
WEIGHTS = Path(evasion.__file__).with_name("weights.json")
FOLDS, ROUNDS, STRENGTH, LEAST_TEXTS = 8, 4, {"evasion": 10.0, "sycophancy": 10.0, "verbosity": 10.0}, 2
LEAST_WEIGHT = 0.15

Row = dict[str, Any]
Texts = Sequence[list[str]]


def fit(texts: Texts, labels: Sequence[bool], *, strength: float) -> Model:
    """Logistic regression over features that occur in LEAST_TEXTS texts and more; small weights are dropped."""
    from sklearn.linear_model import LogisticRegression

    counts = Counter(feature for text in texts for feature in set(text))
    index = {feature: i for i, feature in enumerate(sorted(f for f, count in counts.items() if count >= LEAST_TEXTS))}
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        distinct = set(text)
        known = [index[feature] for feature in distinct if feature in index]
        rows += [row] * len(known)
        columns += known
        values += [max(1, len(distinct)) ** -0.5] * len(known)
    matrix = csr_matrix((values, (rows, columns)), shape=(len(texts), len(index)))
    fitted = LogisticRegression(C=strength, class_weight="balanced", max_iter=2_000).fit(matrix, labels)
    weights = dict(zip(index, fitted.coef_[0], strict=True))
    kept = {feature: round(float(w), 2) for feature, w in weights.items() if abs(w) >= LEAST_WEIGHT}
    return Model(kept, round(float(fitted.intercept_[0]), 3))


def analysis(row: Row) -> Analysis:
    return Analysis(*item({"finish_reason": "eos", **row}))


def evasion_model(rows: Sequence[Row]) -> Model:
    fitting = [(row, analysis(row)) for row in rows if not {"degeneration", "repetition"} & set(row["labels"])]
    texts = [features(one.lower) for _, one in fitting]
    return fit(texts, ["evasion" in row["labels"] for row, _ in fitting], strength=STRENGTH["evasion"])


def sycophancy_model(rows: Sequence[Row], examples: Sequence[Row]) -> Model:
    """Sentences of healthy answers are healthy; of the others the worst and all beyond even odds count as praise."""
    single = [row for row in rows if isinstance(row["prompt"], str)]
    healthy, praising = [], []
    for row in single:
        found = [praise(lower) for lower in sycophancy.sentences_at_stake(analysis(row))]
        if "sycophancy" in row["labels"]:
            praising.append(found)
        else:
            healthy += found
    texts = [praise(row["text"].lower()) for row in examples]
    labels = [row["label"] for row in examples]
    chosen: list[list[str]] = []
    for _ in range(ROUNDS):
        fitted = fit(
            texts + healthy + chosen,
            labels + [False] * len(healthy) + [True] * len(chosen),
            strength=STRENGTH["sycophancy"],
        )
        chosen = []
        for sentences in filter(None, praising):
            best = max(map(fitted.score, sentences))
            chosen += [s for s in sentences if (score := fitted.score(s)) > 0 or score == best][:6]
    return fitted


def verbosity_model(rows: Sequence[Row], examples: Sequence[Row]) -> Model:
    """Sentences that pad, against those and the sentences of healthy answers."""
    healthy = [features(s) for row in rows if not row["labels"] for s in analysis(row).lower_sentences]
    texts = [features(row["text"].lower()) for row in examples] + healthy
    labels = [row["label"] for row in examples] + [False] * len(healthy)
    return fit(texts, labels, strength=STRENGTH["verbosity"])


def validate(name: str, rows: Sequence[Row], fit_rows: Callable[[Sequence[Row]], Model]) -> None:
    """Prints precision and recall of the model alone at several thresholds, on prompts it was not fitted on."""
    prompts = {prompt: i for i, prompt in enumerate(dict.fromkeys(str(row["prompt"]) for row in rows))}
    folds = np.array([prompts[str(row["prompt"])] % FOLDS for row in rows])
    scores = np.full(len(rows), -np.inf)
    for fold in range(FOLDS):
        fitted = fit_rows([row for row, other in zip(rows, folds, strict=True) if other != fold])
        for at in np.flatnonzero(folds == fold):
            scores[at] = best(name, rows[at], fitted)
    truth = np.array([name in row["labels"] for row in rows])
    for threshold in (-0.5, 0.0, 0.2, 0.33, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0):
        flagged = scores >= threshold
        right = float((flagged & truth).sum())
        precision, recall = right / max(1, flagged.sum()), right / truth.sum()
        PRINT(f"{name} {threshold:5.2f}  precision {precision:.3f}  recall {recall:.3f}")


def best(name: str, row: Row, fitted: Model) -> float:
    one = analysis(row)
    if name == "evasion":
        return fitted.score(features(one.lower)) if evasion.may_evade(one) else -np.inf
    if name == "verbosity":
        padding = [s for s in one.lower_sentences if s.count(" ") >= 4 and fitted.score(features(s)) >= 0.5]
        return sum(len(s.split()) for s in padding) / max(1, len(one.text.split()))
    found = sycophancy.sentences_at_stake(one)
    return max((fitted.score(praise(lower)) for lower in found), default=-np.inf)


def main() -> None:
    rows = read(LABELLED / "completions_tune.jsonl")
    examples = read(EXAMPLES)
    whole = [
        {"prompt": row["prompt"], "completion": row["text"], "labels": ["evasion"] if row["label"] else []}
        for row in examples
        if row["detector"] == "evasion"
    ]
    praising = [row for row in examples if row["detector"] == "sycophancy"]
    validate("evasion", rows + whole, evasion_model)
    validate("sycophancy", rows, lambda fitting: sycophancy_model(fitting, praising))
    padding = [row for row in examples if row["detector"] == "verbosity"]
    validate("verbosity", rows, lambda fitting: verbosity_model(fitting, padding))
    fitted = {"evasion": evasion_model(rows + whole), "sycophancy": sycophancy_model(rows, praising)}
    fitted["verbosity"] = verbosity_model(rows, padding)
    data = {name: {"bias": one.bias, "weights": one.weights} for name, one in fitted.items()}
    WEIGHTS.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")
    PRINT(f"{WEIGHTS}: " + ", ".join(f"{len(one.weights)} features for {name}" for name, one in fitted.items()))


if __name__ == "__main__":
    main()
