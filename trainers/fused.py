"""Two operations of a training step with fewer passes over memory than autograd's own; same results.

On a CPU, half of a LoRA step on a small model is not matrix work but walking through large tensors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

_CHUNK = 64
"""Rows of logits handled at once, so that their float32 copies stay in the processor's cache."""


def selected_log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each row's target: logits `[R, V]`, targets int64 `[R]` -> float32 `[R]`.

    The softmax is computed in float32. `logits` is overwritten by its gradient in the backward pass.
    """
    selected: Tensor = _SelectedLogProbs.apply(logits, targets)  # type: ignore[no-untyped-call]
    return selected


class _SelectedLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        normalizers = torch.cat([part.float().logsumexp(1) for part in torch.split(logits, _CHUNK)])
        ctx.save_for_backward(logits, targets, normalizers)
        return logits.gather(1, targets[:, None]).squeeze(1).float() - normalizers

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logits, targets, normalizers = ctx.saved_tensors
        parts = (torch.split(tensor, _CHUNK) for tensor in (logits, targets, normalizers, gradient))
        for logit, target, normalizer, grad in zip(*parts, strict=True):
            # d log p[target] / d logits = onehot(target) - softmax(logits)
            slope = (logit.float() - normalizer[:, None]).exp_().mul_(-grad[:, None])
            slope.scatter_add_(1, target[:, None], grad[:, None])
            logit.copy_(slope)
        return logits, None


class _LoraLinear(torch.autograd.Function):
    """y = x Wᵀ + b + s (x Aᵀ) Bᵀ with frozen W and b; Hu et al. 2021, eq. 3.

    x `[n, in]`, W `[out, in]`, A `[r, in]`, B `[out, r]`. A and B may be kept in a wider type than x has.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        a, b = a.to(x.dtype), b.to(x.dtype)
        low = x @ a.T
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return linear(x, weight, bias).addmm_(low, b.T, alpha=scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        x, weight, a, b, low = ctx.saved_tensors
        low_gradient = (gradient @ b).mul_(ctx.scale)
        a_gradient, b_gradient = low_gradient.T @ x, (gradient.T @ low).mul_(ctx.scale)
        x_gradient = (gradient @ weight).addmm_(low_gradient, a) if ctx.needs_input_grad[0] else None
        return x_gradient, None, None, a_gradient.float(), b_gradient.float(), None


@contextmanager
def fused_lora(model: torch.nn.Module) -> Iterator[None]:
    """Within, the LoRA layers of `model` around plain linear layers run as one operation each.

    Layers with active dropout, other adapters and other base layers keep PEFT's own forward.
    """
    from peft.tuners.lora import Linear

    layers = [layer for layer in model.modules() if type(layer) is Linear and _is_plain(layer)]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # uncovers the class's own


def _is_plain(layer: Any) -> bool:
    frozen = not any(parameter.requires_grad for parameter in layer.base_layer.parameters())
    dropout = any(getattr(dropout, "p", 0.0) > 0 for dropout in layer.lora_dropout.values())
    return type(layer.base_layer) is torch.nn.Linear and frozen and not dropout and not layer.lora_variant


def _forward(layer: Any, x: Tensor) -> Any:
    if layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
        return type(layer).forward(layer, x)
    name = layer.active_adapters[0]
    base, a, b = layer.base_layer, layer.lora_A[name], layer.lora_B[name]
    y = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        x.flatten(0, -2), base.weight, base.bias, a.weight, b.weight, layer.scaling[name]
    )
    return y.view(*x.shape[:-1], -1)
