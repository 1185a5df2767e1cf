"""Makes the numbers in this folder with TRL, for tests/trainers/test_parity.py, which runs without it.

    python tests/trainers/parity/regenerate.py        # in an environment with trl 1.16

common.py holds the models, the tokenizer, the data and the cases, for both sides. TRL's side is corrected where it
could not be matched otherwise:

- cDPO: `label_smoothing` has no effect on loss type `sigmoid`; loss type `aot` is cDPO, in batches of one.
- ORPO: the likelihood term counts prompt tokens there; it is replaced by that of the response, as in the paper.
- SimPO: `cpo_alpha=0`, or a likelihood term is added.
- ORPO, SimPO and SFT keep rows whose prompt fills `max_length`; these are left out beforehand.
- ORPO and SimPO divide prompt and response in another way where a token spans their border: no such row for them.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common import (
    BATCH_SIZE,
    CASES,
    KINDS,
    LEARNING_RATE,
    LORA,
    MAX_LENGTH,
    STEPS,
    TRAJECTORIES,
    Case,
    Trajectory,
    digest,
    make_model,
    make_tokenizer,
    training_rows,
)


def main() -> None:
    """Write one file for each kind of model."""
    for kind in KINDS:
        content = json.dumps(_numbers(kind), separators=(",", ":"), ensure_ascii=False)
        Path(__file__).with_name(f"{kind}.json").write_text(content.replace("},", "},\n") + "\n", encoding="utf-8")


def _numbers(kind: str) -> dict[str, Any]:
    import trl

    cases = [(case, data) for case in CASES for data in MAX_LENGTH]
    return {
        "trl": trl.__version__,
        "sequences": {data: _sequences(kind, data) for data in MAX_LENGTH},
        "log_probs": {data: _log_probs(kind, data) for data in MAX_LENGTH},
        "losses": {f"{case.objective}-{data}": _losses(case, kind, data) for case, data in cases},
        "trajectories": {case.name: _trajectory(case) for case in TRAJECTORIES if case.kind == kind},
    }


def _trainer(case: Case, kind: str, data: str, model: Any, rows: int | None = None, **settings: Any) -> Any:
    """TRL's trainer for a case, on rows in file order."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer
    from trl.experimental.cpo import CPOConfig, CPOTrainer
    from trl.experimental.orpo import ORPOConfig

    classes = {
        "DPO": (DPOTrainer, DPOConfig),
        "KTO": (KTOTrainer, KTOConfig),
        "SFT": (SFTTrainer, SFTConfig),
        "CPO": (CPOTrainer, CPOConfig),
        "ORPO": (_orpo_trainer(), ORPOConfig),
    }
    trainer, config = classes[case.trainer]
    kept = [row for row in training_rows(case, data) if case.trainer in ("DPO", "KTO") or _fits(row, data)]
    args = config(
        output_dir=tempfile.mkdtemp(),
        max_length=MAX_LENGTH[data],
        train_sampling_strategy="sequential",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **case.trl_settings(),
        **settings,
    )
    # With an adapter, the reference is the model without it.
    own_reference = case.trainer in ("DPO", "KTO") and not hasattr(model, "peft_config")
    return trainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(kept[:rows]),
        processing_class=make_tokenizer(),
        **({"ref_model": make_model(kind)} if own_reference else {}),
    )


def _fits(row: Mapping[str, Any], data: str) -> bool:
    tokenizer = make_tokenizer()
    prompt = row["prompt"]
    if isinstance(prompt, str):
        return len(tokenizer(prompt)["input_ids"]) < MAX_LENGTH[data]
    return len(tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"]) < MAX_LENGTH[data]


def _orpo_trainer() -> Any:
    import torch
    from trl.experimental.orpo import ORPOTrainer

    class ResponseORPOTrainer(ORPOTrainer):  # type: ignore[misc, valid-type]
        """Counts response tokens alone in the likelihood."""

        def concatenated_forward(self, model: Any, batch: Any) -> Any:
            chosen, rejected, chosen_logits, rejected_logits, _ = super().concatenated_forward(model, batch)
            labels = batch["chosen_labels"][:, 1:]
            logits = chosen_logits[:, : labels.shape[1]].transpose(1, 2)
            return chosen, rejected, chosen_logits, rejected_logits, torch.nn.functional.cross_entropy(logits, labels)

    return ResponseORPOTrainer


def _batches(trainer: Any) -> Iterator[Any]:
    trainer.model.train()
    for batch in trainer.get_train_dataloader():
        yield trainer._prepare_inputs(batch)


def _sequences(kind: str, data: str) -> dict[str, Any]:
    """By objective, the token ids [prompt, responses] of the rows as TRL collates them."""
    return {
        case.objective: [
            row
            for batch in _batches(_trainer(case, kind, data, make_model(kind), per_device_train_batch_size=BATCH_SIZE))
            for row in zip(*_SIDES[case.trainer](batch), strict=True)
        ]
        for case in CASES
        if case.objective in ("dpo", "kto", "simpo", "sft")
    }


def _split(ids: Any, present: Any, scored: Any) -> tuple[Any, Any]:
    """Prompts and responses of a batch `[rows, T]`, without padding."""
    prompts = [row[(here == 1) & ~answer].tolist() for row, here, answer in zip(ids, present, scored, strict=True)]
    return prompts, [row[answer].tolist() for row, answer in zip(ids, scored, strict=True)]


def _dpo_sides(batch: Any) -> tuple[Any, Any]:
    halves = zip(*(batch[name].chunk(2) for name in ("input_ids", "attention_mask", "completion_mask")), strict=True)
    (prompts, chosen), (_, rejected) = (_split(ids, present, mask == 1) for ids, present, mask in halves)
    return prompts, [list(both) for both in zip(chosen, rejected, strict=True)]


def _kto_sides(batch: Any) -> tuple[Any, Any]:
    (prompts, own), (_, lent) = (
        _split(batch[f"{of}input_ids"], batch[f"{of}attention_mask"], batch[f"{of}completion_mask"] == 1)
        for of in ("", "KL_")
    )
    return prompts, [list(both) for both in zip(own, lent, strict=True)]


def _cpo_sides(batch: Any) -> tuple[Any, Any]:
    (prompts, chosen), (_, rejected) = (
        _split(batch[f"{side}_input_ids"], batch[f"{side}_attention_mask"], batch[f"{side}_labels"] != -100)
        for side in ("chosen", "rejected")
    )
    return prompts, [list(both) for both in zip(chosen, rejected, strict=True)]


def _sft_sides(batch: Any) -> tuple[Any, Any]:
    prompts, responses = _split(batch["input_ids"], batch["attention_mask"], batch["labels"] != -100)
    return prompts, [[response] for response in responses]


_SIDES = {"DPO": _dpo_sides, "KTO": _kto_sides, "CPO": _cpo_sides, "SFT": _sft_sides}


def _log_probs(kind: str, data: str) -> dict[str, list[list[float]]]:
    """Of the pairs, under policy and reference: [[chosen, rejected], …]."""
    policy = make_model(kind, nudge=0.3)
    trainer = _trainer(CASES[0], kind, data, policy, per_device_train_batch_size=BATCH_SIZE)
    models = {"policy": policy, "reference": trainer.ref_model}
    return {
        name: [
            [chosen.item(), rejected.item()]
            for batch in _batches(trainer)
            for chosen, rejected in zip(*trainer.compute_ref_log_probs(model, batch), strict=True)
        ]
        for name, model in models.items()
    }


def _losses(case: Case, kind: str, data: str) -> dict[str, Any]:
    """Loss and metrics of each batch, and the gradient of the sum of the losses."""
    model = make_model(kind, nudge=0.3)
    trainer = _trainer(case, kind, data, model, per_device_train_batch_size=case.micro)
    batches = list(_batches(trainer))
    size = BATCH_SIZE // case.micro
    losses, metrics = [], []
    for group in (batches[i : i + size] for i in range(0, len(batches), size)):
        loss = sum(trainer.compute_loss(model, batch) for batch in group) / len(group)
        loss.backward()
        losses.append(loss.item())
        metrics.append(_metrics(trainer))
    return {
        "loss": losses,
        "metrics": metrics,
        "gradient": digest((name, parameter.grad) for name, parameter in model.named_parameters()),
    }


def _metrics(trainer: Any) -> dict[str, float]:
    """Means since the last call, of what TRL logs and ours has too."""
    store = trainer._metrics["train"] if hasattr(trainer, "_metrics") else trainer._stored_metrics["train"]
    ours = ("rewards/", "logps/", "kl", "nll_loss", "log_odds")
    means = {name: sum(values) / len(values) for name, values in store.items() if name.startswith(ours)}
    store.clear()
    return {name: value for name, value in means.items() if value or name != "nll_loss"}  # SimPO's, left out, is 0


def _trajectory(trajectory: Trajectory) -> dict[str, Any]:
    """The losses, and where the weights moved (an adapter's: from 0)."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    case = next(case for case in CASES if case.objective == trajectory.objective)
    model = make_model(trajectory.kind)
    if trajectory.lora:
        set_seed(0)
        model = get_peft_model(model, LoraConfig(**LORA))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters() if not trajectory.lora}
    trainer = _trainer(
        case,
        trajectory.kind,
        trajectory.data,
        model,
        trajectory.rows,
        per_device_train_batch_size=trajectory.batch_size,
        gradient_accumulation_steps=trajectory.accumulation,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="linear",
        max_steps=STEPS,
    )
    trainer.train()
    trained = ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    return {
        "loss": [row["loss"] for row in trainer.state.log_history if "loss" in row],
        "moved": digest((name.replace(".default", ""), weight - before.get(name, 0)) for name, weight in trained),
    }


if __name__ == "__main__":
    main()
