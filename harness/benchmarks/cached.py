"""A language model for lm-eval that asks the store first and the real model for the rest."""

import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from importlib.metadata import version
from typing import Any, Protocol

from lm_eval.api.model import LM

from ..errors import HarnessError
from ..items import content_hash
from ..progress import Progress

log = logging.getLogger(__name__)

_BATCHES_PER_CHUNK = 8
_SEED = 1234


class Side(Protocol):
    """One checkpoint, ready to answer."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides the answers: fingerprint, dtype, engine and versions; part of every cache key."""
        ...

    @property
    def batch_size(self) -> int: ...

    @property
    def tokenizer(self) -> Any:
        """The transformers tokenizer."""
        ...

    def active(self) -> AbstractContextManager[Any]:
        """The loaded causal LM with this side's adapter on or off, its generation_config neutral."""
        ...


class AnswerStore(Protocol):
    """Answers by content key; values are JSON."""

    def get_many(self, kind: Any, keys: Sequence[str]) -> dict[str, Any]: ...

    def put_many(self, kind: Any, rows: Mapping[str, Any]) -> None: ...


class CachedLM(LM):  # type: ignore[misc]
    """One side as an lm-eval model; it is loaded at the first request that the store cannot answer."""

    def __init__(self, side: Side, store: AnswerStore, progress: Progress) -> None:
        super().__init__()
        self._side = side
        self._store = store
        self._progress = progress

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """(log-likelihood in nats, whether greedy decoding gives it) per (context, continuation)."""
        return [(float(value), bool(greedy)) for value, greedy in self._answers("loglikelihood", requests)]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """The log-likelihood in nats per (text,)."""
        return [float(value) for value in self._answers("loglikelihood_rolling", requests)]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """The continuation per (context, generation settings), cut at the stop strings."""
        return [str(text) for text in self._answers("generate_until", requests)]

    def _answers(self, method: str, requests: Sequence[Any]) -> list[Any]:
        keys = self._keys(method, [request.args for request in requests])
        asked = dict(zip(keys, requests, strict=True))
        answers = self._store.get_many("benchmark", list(asked))
        self._progress(len(answers), len(asked))
        with ExitStack() as stack:
            model: Any = None
            for chunk in self._chunks(asked):
                missing = [key for key in chunk if key not in answers]
                if not missing:
                    continue
                if model is None:
                    model = self._model(stack)
                found = _ask(model, method, [asked[key] for key in missing])
                rows = dict(zip(missing, found, strict=True))
                self._store.put_many("benchmark", rows)
                answers |= rows
                self._progress(len(answers), len(asked))
        return [answers[key] for key in keys]

    def _keys(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[str]:
        side = {
            "side": dict(self._side.identity),
            "lm_eval": version("lm_eval"),
            "method": method,
            "seed": _SEED,
        }
        seen: dict[str, int] = defaultdict(int)
        keys = []
        for args in arguments:
            key = content_hash(side | {"arguments": list(args)})
            if _sampled(method, args):
                # The draws of one request are different answers.
                seen[key] += 1
                key = content_hash([key, seen[key]])
            keys.append(key)
        return keys

    def _chunks(self, asked: Mapping[str, Any]) -> Iterator[list[str]]:
        """Keys in chunks of similar length, the choices of one context together, the longest first.

        They depend on all requests, not on the missing ones: in low precision an answer may depend on its
        batch, and a resumed run must give the same answers.
        """
        ordered = sorted(asked, key=lambda key: (-len(asked[key].args[0]), str(asked[key].args), key))
        size = _BATCHES_PER_CHUNK * self._side.batch_size
        for start in range(0, len(ordered), size):
            yield ordered[start : start + size]

    def _model(self, stack: ExitStack) -> Any:
        from .hugging_face import HuggingFaceLM

        model = stack.enter_context(self._side.active())
        return HuggingFaceLM(
            model, tokenizer=self._side.tokenizer, batch_size=self._side.batch_size, softmax_dtype="float32"
        )


def _sampled(method: str, args: tuple[Any, ...]) -> bool:
    return method == "generate_until" and bool(args[1].get("do_sample"))


def _ask(model: Any, method: str, requests: Sequence[Any]) -> list[Any]:
    import torch

    torch.manual_seed(_SEED)
    answers = getattr(model, method)(list(requests), disable_tqdm=True)
    for request, answer in zip(requests, answers, strict=True):
        value = answer[0] if method == "loglikelihood" else answer
        if isinstance(value, float) and not math.isfinite(value):
            raise HarnessError(
                f"task {request.task_name}, document {request.doc_id}: expected a finite log-likelihood, "
                f"got {value}; the weights hold NaN or overflow in this dtype, try --dtype float32"
            )
    return [list(answer) if isinstance(answer, tuple) else answer for answer in answers]
