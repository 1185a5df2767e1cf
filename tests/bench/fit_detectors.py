"""Fits harness/pathologies/weights.json: the wording of evasive answers and of praise for the user.

    python -m tests.bench.fit_detectors            cross-validates (no prompt in two folds) and writes the weights

Reads the tune half of the labelled set and tests/bench/detector_examples.jsonl (`detector, label, prompt, text`), texts
written for this, single sentences where there is no prompt; never the report half. Praise and padding are fitted on
sentences: of an answer labelled as praising those that the fit so far finds.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from scipy.sparse import csr_matrix

from harness.pathologies import detect, evasion, sycophancy, verbosity
from harness.pathologies.praise import praise
from harness.pathologies.text import Analysis
from harness.pathologies.wording import Model, features, model

from .detectors import LABELLED, item, rates, read

PRINT = Console(highlight=False, soft_wrap=True, markup=False).print
EXAMPLES = Path(__file__).with_name("detector_examples.jsonl")
WEIGHTS = Path(evasion.__file__).with_name("weights.json")
FOLDS, ROUNDS, LEAST_TEXTS, MOST_OF_A_BAG = 8, 4, 2, 6
STRENGTH = {"evasion": 10.0, "sycophancy": 30.0, "verbosity": 30.0}
"""The inverse of the ridge penalty."""
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
    left_out = {"degeneration", "repetition"}
    chosen = [row for row in rows if row["for"] in (None, "evasion") and not left_out & set(row["labels"])]
    fitting = [(row, analysis(row)) for row in chosen]
    texts = [features(one.lower) for _, one in fitting]
    return fit(texts, ["evasion" in row["labels"] for row, _ in fitting], strength=STRENGTH["evasion"])


def sentence_model(
    name: str, examples: Sequence[Row], healthy: Texts, bags: Sequence[list[list[str]]], of: Callable[[str], list[str]]
) -> Model:
    """Of each labelled answer (a bag of sentences) the worst and all beyond even odds count as what is looked for."""
    sentences = [row for row in examples if row["detector"] == name and not row["prompt"]]
    texts = [of(row["text"].lower()) for row in sentences]
    labels = [row["label"] for row in sentences]
    chosen: list[list[str]] = []
    for _ in range(ROUNDS):
        fitted = fit(
            [*texts, *healthy, *chosen],
            labels + [False] * len(healthy) + [True] * len(chosen),
            strength=STRENGTH[name],
        )
        chosen = []
        for bag in filter(None, bags):
            best = max(map(fitted.score, bag))
            chosen += [s for s in bag if (score := fitted.score(s)) > 0 or score == best][:MOST_OF_A_BAG]
    return fitted


def sycophancy_model(rows: Sequence[Row], examples: Sequence[Row]) -> Model:
    """Praise, sentence by sentence."""
    healthy, bags = [], []
    for row in rows:
        if not isinstance(row["prompt"], str):
            continue
        found = [praise(lower) for lower in sycophancy.sentences_at_stake(analysis(row))]
        if "sycophancy" in row["labels"]:
            bags.append(found)
        else:
            healthy += found
    return sentence_model("sycophancy", examples, healthy, bags, praise)


def verbosity_model(rows: Sequence[Row], examples: Sequence[Row]) -> Model:
    """Sentences that pad, against those of healthy answers; what exceeds a stated limit need not pad."""
    healthy = [features(s) for row in rows if not row["labels"] for s in analysis(row).lower_sentences]
    return sentence_model("verbosity", examples, healthy, [], features)


def models(rows: Sequence[Row], examples: Sequence[Row]) -> dict[str, Model]:
    return {
        "evasion": evasion_model(rows),
        "sycophancy": sycophancy_model(rows, examples),
        "verbosity": verbosity_model(rows, examples),
    }


def validate(rows: Sequence[Row], examples: Sequence[Row]) -> None:
    """Prints precision and recall of the whole detectors on rows whose prompts their models were not fitted on."""
    prompts = {prompt: i for i, prompt in enumerate(dict.fromkeys(str(row["prompt"]) for row in rows))}
    folds = [prompts[str(row["prompt"])] % FOLDS for row in rows]
    flagged: list[set[str]] = [set()] * len(rows)
    for fold in range(FOLDS):
        fitted = models([row for row, other in zip(rows, folds, strict=True) if other != fold], examples)
        with using(fitted):
            for at, row in enumerate(rows):
                if folds[at] == fold:
                    flagged[at] = {found.detector for found in detect(*item({"finish_reason": "eos", **row}))}
    for name in STRENGTH:
        for source in ("labelled", "example"):
            chosen = [
                at
                for at, row in enumerate(rows)
                if (row["for"] in (None, name)) and (row["for"] is None) == (source == "labelled")
            ]
            precision, recall = rates(
                [name in rows[at]["labels"] for at in chosen], [name in flagged[at] for at in chosen]
            )
            PRINT(f"{name:12} {source:9} precision {precision:.3f}  recall {recall:.3f}")


@contextmanager
def using(fitted: dict[str, Model]) -> Iterator[None]:
    """The detectors score with these models."""
    modules = (evasion, sycophancy, verbosity)
    for module in modules:
        vars(module)["model"] = fitted.__getitem__
    try:
        yield
    finally:
        for module in modules:
            vars(module)["model"] = model


def whole(examples: Sequence[Row]) -> list[Row]:
    """The examples that are answers; the others are sentences."""
    return [
        {
            "prompt": row["prompt"],
            "completion": row["text"],
            "labels": [row["detector"]] if row["label"] else [],
            "for": row["detector"],
        }
        for row in examples
        if row["prompt"]
    ]


def main() -> None:
    examples = read(EXAMPLES)
    rows = [{**row, "for": None} for row in read(LABELLED / "completions_tune.jsonl")] + whole(examples)
    validate(rows, examples)
    fitted = models(rows, examples)
    data = {name: {"bias": one.bias, "weights": one.weights} for name, one in fitted.items()}
    WEIGHTS.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")
    PRINT(f"{WEIGHTS}: " + ", ".join(f"{len(one.weights)} features for {name}" for name, one in fitted.items()))


if __name__ == "__main__":
    main()
