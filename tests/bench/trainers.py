"""Seconds per DPO step, this project's trainer beside TRL's, on the same rows, weights and settings.

    python tests/bench/trainers.py                     both dtypes, 6 steps of 4 pairs
    python tests/bench/trainers.py --dtype bfloat16 --steps 24

Each side runs in a process of its own; loading is not counted. TRL is measured where it can be imported
(TRL 1.16, `gradient_checkpointing=False`). The rows come from `$HARNESS_SHARED/data/pandalm_pairs.jsonl`
(default ../shared), or from `--data`.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("HARNESS_SHARED", ROOT.parent / "shared"))
BATCH = 4


def ours(data: Path, model: Path, dtype: str, steps: int, scratch: Path) -> dict[str, Any]:
    from harness.trainers.train import TrainingSettings, train

    settings = TrainingSettings(
        data=data,
        output=scratch / "ours",
        model_path=model,
        model_spec="bench",
        model_fingerprint="",
        dtype=dtype,
        batch_size=BATCH,
        max_steps=steps,
        shuffle=False,
    )
    result = train(settings)
    rows = [json.loads(line) for line in (result.output / "metrics.jsonl").read_text().splitlines()]
    return {"seconds": result.seconds / result.steps, "losses": [row["loss"] for row in rows]}


def trl(data: Path, model: Path, dtype: str, steps: int, scratch: Path) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(
        output_dir=str(scratch / "trl"),
        per_device_train_batch_size=BATCH,
        learning_rate=1e-5,
        beta=0.1,
        max_steps=steps,
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        bf16=dtype == "bfloat16",
        seed=0,
        disable_tqdm=True,
    )
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)),
        args=args,
        train_dataset=Dataset.from_list([json.loads(line) for line in data.read_text().split("\n") if line]),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear"),
    )
    start = time.perf_counter()
    trainer.train()
    seconds = (time.perf_counter() - start) / steps
    return {"seconds": seconds, "losses": [row["loss"] for row in trainer.state.log_history if "loss" in row]}


SIDES = {"ours": ours, "trl": trl}


def measure(side: str, data: Path, model: Path, dtype: str, steps: int) -> dict[str, Any]:
    """Run one side in a fresh process, so that neither finds memory that the other has touched."""
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        command = [sys.executable, __file__, "--side", side, "--dtype", dtype, "--steps", str(steps)]
        command += ["--data", str(data), "--model", str(model), "--answer", str(answer)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        result: dict[str, Any] = json.loads(answer.read_text())
        return result


def compare(data: Path, model: Path, dtype: str, steps: int) -> None:
    has_trl = importlib.util.find_spec("trl") is not None
    results = {side: measure(side, data, model, dtype, steps) for side in SIDES if side != "trl" or has_trl}
    for side, result in results.items():
        losses = " ".join(f"{loss:.5f}" for loss in result["losses"][:6])
        sys.stdout.write(f"{dtype:9} {side:5} {result['seconds']:6.2f} s/step   losses {losses}\n")
    if has_trl:
        sys.stdout.write(f"{dtype:9} ours/trl {results['ours']['seconds'] / results['trl']['seconds']:.2f}\n")
    else:
        sys.stdout.write("trl is not installed in this environment; only our side was measured\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "pandalm_pairs.jsonl")
    parser.add_argument("--model", type=Path, help="model folder (default: the built-in smollm2)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], action="append")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side = SIDES[options.side]
        with tempfile.TemporaryDirectory() as scratch:
            result = side(options.data, options.model, options.dtype[0], options.steps, Path(scratch))
        options.answer.write_text(json.dumps(result))
        return
    if not options.data.is_file():
        sys.exit(f"{options.data} is missing; set HARNESS_SHARED or give --data")
    with tempfile.TemporaryDirectory() as scratch:
        rows = Path(scratch) / "rows.jsonl"
        lines = options.data.read_text(encoding="utf-8").split("\n")[: BATCH * options.steps]
        rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for dtype in options.dtype or ["float32", "bfloat16"]:
            compare(rows, options.model or _smollm2(), dtype, options.steps)


def _smollm2() -> Path:
    sys.path.insert(0, str(ROOT))
    from harness.checkpoints import resolve

    return Path(resolve("smollm2").path)


if __name__ == "__main__":
    main()
