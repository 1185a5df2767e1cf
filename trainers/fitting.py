"""The training itself: a LoRA adapter on a frozen model, by transformers' Trainer."""

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import Tensor
from tqdm.auto import tqdm
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from .encoding import EncodedRow
from .errors import SettingsError, TrainingError
from .fused import fused_lora
from .objectives import OBJECTIVES, Objective, PairLogProbs, rewards
from .shared_prefix import PackedBatch, check_layout, pack, response_log_probs, shared_prefix_attention
from .train import TrainingSettings


@dataclass(frozen=True)
class Fitted:
    """A trained adapter and how it got there."""

    model: PeftModel
    history: list[dict[str, float]]
    """Rows of metrics.jsonl."""
    steps: int
    seconds: float


def load_tokenizer(settings: TrainingSettings) -> Any:
    """The tokenizer of the model that training starts from."""
    with _loading(settings):
        return AutoTokenizer.from_pretrained(settings.model_path)


@contextmanager
def _loading(settings: TrainingSettings) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise TrainingError(f"{settings.model_spec}: transformers cannot load this model: {reason}") from error


def fit(settings: TrainingSettings, pairs: Sequence[EncodedRow], held_out: Sequence[EncodedRow]) -> Fitted:
    """Train an adapter on `pairs`; `held_out` is evaluated after each epoch."""
    objective = OBJECTIVES.get(settings.objective)
    if objective is None:
        raise SettingsError(f"objective must be one of {', '.join(OBJECTIVES)}, got {settings.objective}")
    model = _model(settings)
    with tempfile.TemporaryDirectory() as scratch, _progress_bar(settings.objective) as bar:
        args = _arguments(settings, scratch, evaluates=bool(held_out))
        trainer = PairTrainer(model, objective, settings.beta, pairs, held_out, args, [_Progress(bar)])
        check_layout(model, min(pairs, key=lambda pair: pair.tokens))
        start = time.perf_counter()
        with shared_prefix_attention(model), fused_lora(model):
            trainer.train()
        seconds = time.perf_counter() - start
    return Fitted(model, trainer.history, trainer.state.global_step, seconds)


def _model(settings: TrainingSettings) -> PeftModel:
    dtype = getattr(torch, settings.dtype)
    with _loading(settings):
        model, loading = AutoModelForCausalLM.from_pretrained(
            settings.model_path, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    if missing := loading["missing_keys"]:
        raise TrainingError(f"{settings.model_spec}: {len(missing)} weights are missing, e.g. {min(missing)}")
    for module in model.modules():
        # A policy under dropout would be compared with a reference without.
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    set_seed(settings.seed)  # here, so that loading cannot shift the adapter's random start
    return get_peft_model(model, config)


def _arguments(settings: TrainingSettings, scratch: str, *, evaluates: bool) -> TrainingArguments:
    args = TrainingArguments(
        output_dir=scratch,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        seed=settings.seed,
        train_sampling_strategy="random" if settings.shuffle else "sequential",
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,
        eval_strategy="epoch" if evaluates else "no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    if args.n_gpu > 1 or args.world_size > 1:
        raise TrainingError("training runs on one device, got several; make one visible (CUDA_VISIBLE_DEVICES=0)")
    return args


class PairTrainer(Trainer):  # type: ignore[misc]
    """Trains on packed preference pairs; the reference is the model with its adapter off."""

    control: Any

    def __init__(
        self,
        model: PeftModel,
        objective: Objective,
        beta: float,
        pairs: Sequence[EncodedRow],
        held_out: Sequence[EncodedRow],
        args: TrainingArguments,
        callbacks: list[TrainerCallback],
    ) -> None:
        super().__init__(
            model=model,
            args=args,
            train_dataset=list(pairs),
            eval_dataset=list(held_out) or None,
            data_collator=lambda pairs: {"batch": pack(pairs)},
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)
        self.objective, self.beta = objective, beta
        self.history: list[dict[str, float]] = []
        self._since_log: list[dict[str, Tensor]] = []

    def compute_loss(self, model: Any, inputs: dict[str, PackedBatch], **_: Any) -> Tensor:
        """Mean loss of a batch, float32 scalar."""
        metrics = self._score(model, inputs["batch"])
        loss = metrics["loss"].mean()
        if not math.isfinite(loss.item()):
            step = self.state.global_step + 1
            raise TrainingError(f"step {step}: the loss is {loss.item()}; lower the learning rate or check the data")
        self._since_log.append({name: values.detach() for name, values in metrics.items()})
        return loss

    def _score(self, model: Any, batch: PackedBatch) -> dict[str, Tensor]:
        """Loss and metrics of each pair, each float32 `[pairs]`."""
        # The reference first: its memory is free again before the policy's activations pile up.
        reference = None
        if self.objective.needs_reference:
            with torch.no_grad(), model.disable_adapter():
                reference = response_log_probs(model, batch)
        logps = PairLogProbs(response_log_probs(model, batch), reference, batch.lengths)
        chosen, rejected = rewards(logps, self.beta).detach().unbind(1)
        return {
            "loss": self.objective.loss(logps, self.beta),
            "rewards/chosen": chosen,
            "rewards/rejected": rejected,
            "rewards/margins": chosen - rejected,
            "rewards/accuracies": (chosen > rejected).float(),
            "logps/chosen": logps.policy[:, 0].detach(),
            "logps/rejected": logps.policy[:, 1].detach(),
        }

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Means over the held-out pairs, as `eval_…`; they become a row of their own."""
        self.model.eval()
        size, device, pairs = self.args.train_batch_size, self.args.device, self.eval_dataset
        with torch.no_grad():
            batches = [pack(pairs[i : i + size]).to(device) for i in range(0, len(pairs), size)]
            means = _means([self._score(self.model, batch) for batch in batches])
        metrics = {f"eval_{name}": value for name, value in means.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means since the last call to a training row, and keep the row."""
        if self._since_log and "loss" in logs:
            logs |= _means(self._since_log)
            self._since_log.clear()
        if "loss" in logs or "eval_loss" in logs:
            self.history.append({"step": self.state.global_step, **logs})
        super().log(logs, start_time)


def _means(batches: list[dict[str, Tensor]]) -> dict[str, float]:
    """Means over the pairs of all batches."""
    return {name: torch.cat([batch[name] for batch in batches]).mean().item() for name in batches[0]}


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Moves one bar along, and makes sure that the last step is logged."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self.bar.reset(total=state.max_steps)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.update()
        control.should_log |= state.global_step >= state.max_steps

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, float], **_: Any) -> None:
        if "loss" in logs:
            self.bar.set_postfix(loss=f"{logs['loss']:.4f}", margin=f"{logs['rewards/margins']:+.3f}")


def _progress_bar(name: str) -> Any:
    return tqdm(desc=f"train {name}", unit="step", dynamic_ncols=True)
