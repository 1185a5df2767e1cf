"""What a user may choose for a comparison, declared once for the command line and for pytest."""

from dataclasses import dataclass, field, fields
from typing import Any


def _choice(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Settings:
    """The options of one comparison; None means: what the profile says."""

    profile: str = _choice("smoke", "How much to measure: smoke, standard or full.")
    gates: str | None = _choice(None, "A gates.toml whose tables override the shipped ones.")
    prompts: str | None = _choice(None, "The prompts: a JSONL file, or the name of a shipped set.")
    pairs: str | None = _choice(None, "Held-out preference pairs: a JSONL file, or the name of a shipped set.")
    judge: str | None = _choice(None, "The judge of the win rate, e.g. local:CHECKPOINT; audited before it counts.")
    dtype: str = _choice("auto", "auto, float32, bfloat16 or float16.")
    temperature: float = _choice(0.0, "Of the answers; 0 takes the likeliest token each time.")
    seed: int = _choice(0, "Seed of sampling, and of the order of the prompts under --extend.")
    extend: bool = _choice(
        False, "Take prompts in random order, and no more than the gates need; intervals hold at every look."
    )
    resample: bool = _choice(
        False, "Compare a checkpoint with itself, batches and seed changed: how much differs by noise alone."
    )
    no_cache: bool = _choice(False, "Ask the models anew; read and write no cached answers.")


HELP: dict[str, str] = {option.name: option.metadata["help"] for option in fields(Settings)}
