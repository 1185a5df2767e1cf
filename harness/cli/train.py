"""`harness train`."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError


def train(
    objective: Annotated[str, typer.Argument(help="The training loss: dpo.")],
    model: Annotated[str, typer.Option(help="The checkpoint to start from, e.g. smollm2 or a folder.")],
    data: Annotated[Path, typer.Option(help="Preference pairs: JSONL with prompt, chosen, rejected.")],
    output: Annotated[Path, typer.Option(help="Folder for the adapter, its metrics.jsonl and training.json.")],
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    lora_rank: Annotated[int, typer.Option(help="Rank of the LoRA adapter, put on all linear layers.")] = 16,
    lora_alpha: Annotated[int, typer.Option(help="LoRA's alpha: the adapter is scaled by alpha / rank.")] = 32,
    lora_dropout: Annotated[float, typer.Option(help="Dropout inside the adapter.")] = 0.0,
    batch_size: Annotated[int, typer.Option(help="Pairs per step.")] = 4,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate; falls linearly to 0.")] = 1e-5,
    beta: Annotated[float, typer.Option(help="β: how strongly the reference holds the policy.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the adapter's weights and of the order of the data.")] = 0,
    max_steps: Annotated[int | None, typer.Option(help="Stop after this many steps, whatever the epochs.")] = None,
    epochs: Annotated[float, typer.Option(help="Passes over the data.")] = 1.0,
    max_length: Annotated[int, typer.Option(help="Longest prompt + answer, in tokens.")] = 1024,
    no_shuffle: Annotated[bool, typer.Option("--no-shuffle", help="Take the rows in file order.")] = False,
    logging_steps: Annotated[int, typer.Option(help="Steps per row of metrics.jsonl.")] = 1,
    eval_data: Annotated[Path | None, typer.Option(help="Pairs to evaluate on, never trained on.")] = None,
    eval_fraction: Annotated[float | None, typer.Option(help="Share of prompts split off for evaluation.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON to this file.")] = None,
) -> None:
    """Train a checkpoint; the command that compares it with its start is printed at the end."""
    from ..checkpoints import resolve
    from ..engine import training_dtype
    from ..summary import show_training
    from ..trainers.train import TrainingSettings
    from ..trainers.train import train as run_training
    from .output import write_json

    start = resolve(model)
    if start.base is not None:
        raise UsageError(f"--model {model}: training starts from a full model, not yet from an adapter; give its base")
    result = run_training(
        TrainingSettings(
            objective=objective,
            data=data,
            output=output,
            model_path=start.path,
            model_spec=start.portable_spec,
            model_fingerprint=start.fingerprint,
            dtype=training_dtype(dtype),
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            lora_dropout=lora_dropout,
            batch_size=batch_size,
            learning_rate=learning_rate,
            beta=beta,
            seed=seed,
            max_steps=max_steps,
            epochs=epochs,
            shuffle=not no_shuffle,
            logging_steps=logging_steps,
            max_length=max_length,
            eval_data=eval_data,
            eval_fraction=eval_fraction,
        )
    )
    next_command = shlex.join(["harness", "compare", model, str(output)])
    show_training(result, next_command)
    if json:
        write_json(json, asdict(result) | {"output": str(output), "next": next_command})
