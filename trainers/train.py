"""A training from settings to a finished adapter folder. Light: torch is loaded when `train` runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .data import PreferencePair, read_pairs, split_by_prompt
from .encoding import encode_pairs
from .errors import DataError, SettingsError
from .records import Dataset, check_output, file_sha256, finished_folder, write_records


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Everything that decides the outcome of a training."""

    objective: str = "dpo"
    data: Path
    """Preference pairs, JSON Lines."""
    output: Path
    """The adapter folder to make."""
    model_path: Path
    """Folder of the base model."""
    model_spec: str
    """How the user named the base model; training.json keeps it, since a path may mean nothing elsewhere."""
    model_fingerprint: str
    dtype: str = "float32"
    """float32 or bfloat16; what the base model is held in. The adapter's own weights are float32."""
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    batch_size: int = 4
    """Pairs per step."""
    learning_rate: float = 1e-5
    """At the first step; it falls linearly to 0."""
    beta: float = 0.1
    seed: int = 0
    max_steps: int | None = None
    """Takes precedence over `epochs`."""
    epochs: float = 1.0
    shuffle: bool = True
    logging_steps: int = 1
    max_length: int = 1024
    """Tokens; a longer response loses its tail, a pair whose prompt is as long is dropped."""
    eval_data: Path | None = None
    eval_fraction: float | None = None
    """Share of the prompts to hold out of `data`, in (0, 1)."""

    def __post_init__(self) -> None:
        for name in ("lora_rank", "lora_alpha", "batch_size", "learning_rate", "beta", "epochs", "logging_steps"):
            _require(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        _require(self.max_steps is None or self.max_steps > 0, "max_steps", "above 0", self.max_steps)
        _require(0 <= self.seed < 2**32, "seed", "from 0 to 2**32 - 1", self.seed)
        _require(self.max_length > 1, "max_length", "above 1", self.max_length)
        _require(0 <= self.lora_dropout < 1, "lora_dropout", "in [0, 1)", self.lora_dropout)
        _require(self.dtype in ("float32", "bfloat16"), "dtype", "float32 or bfloat16", self.dtype)
        fraction = self.eval_fraction
        _require(fraction is None or 0 < fraction < 1, "eval_fraction", "above 0 and below 1", fraction)
        if fraction is not None and self.eval_data is not None:
            raise SettingsError("eval_data and eval_fraction exclude each other; give one")


@dataclass(frozen=True)
class TrainingResult:
    """A finished training."""

    output: Path
    steps: int
    seconds: float
    """Of the training steps and evaluations, without loading."""
    metrics: Mapping[str, float]
    """The last logged values, by their names in metrics.jsonl."""
    rows: int
    """Pairs trained on."""
    dropped: int
    truncated: int


def train(settings: TrainingSettings) -> TrainingResult:
    """Train an adapter and write its folder, which appears whole at the end or not at all.

    The folder holds the adapter, training.json and metrics.jsonl; one left by an earlier training is
    replaced. Raises DataError or SettingsError before a model is loaded, TrainingError later on.
    """
    check_output(settings.output)
    pairs, held_out = _read(settings)

    from .fitting import fit, load_tokenizer
    from .quiet import quiet_transformers

    with quiet_transformers():
        tokenizer = load_tokenizer(settings)
        data = _dataset(settings.data, pairs, tokenizer, settings.max_length)
        eval_data = None
        if held_out:
            eval_data = _dataset(settings.eval_data or settings.data, held_out, tokenizer, settings.max_length)
        fitted = fit(settings, data.encoded.rows, eval_data.encoded.rows if eval_data else ())
        with finished_folder(settings.output) as folder:
            fitted.model.save_pretrained(folder, save_embedding_layers=False)
            write_records(folder, settings, data, eval_data, fitted.history)
    return TrainingResult(
        output=settings.output,
        steps=fitted.steps,
        seconds=fitted.seconds,
        metrics=_last_values(fitted.history),
        rows=len(data.encoded.rows),
        dropped=data.encoded.dropped,
        truncated=data.encoded.truncated,
    )


def _read(settings: TrainingSettings) -> tuple[list[PreferencePair], list[PreferencePair]]:
    pairs = read_pairs(settings.data)
    if settings.eval_data is not None:
        return pairs, read_pairs(settings.eval_data)
    if settings.eval_fraction is not None:
        return split_by_prompt(pairs, settings.eval_fraction, settings.seed)
    return pairs, []


def _dataset(path: Path, pairs: list[PreferencePair], tokenizer: Any, max_length: int) -> Dataset:
    encoded = encode_pairs(pairs, tokenizer, max_length)
    if not encoded.rows:
        raise DataError(f"{pairs[0].where}: no prompt is shorter than max_length {max_length} tokens; raise it")
    return Dataset(path, file_sha256(path), tuple(pair.row for pair in pairs), encoded)


def _last_values(history: list[dict[str, float]]) -> dict[str, float]:
    """The last value of each metric, be it of a training row or of an evaluation row."""
    return {name: value for row in history for name, value in row.items()}


def _require(holds: bool, name: str, expected: str, value: object) -> None:
    if not holds:
        raise SettingsError(f"{name} must be {expected}, got {value}")
