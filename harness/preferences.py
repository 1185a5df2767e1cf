"""Preferences: the candidate's accuracy on held-out pairs, and its win rate with an audited judge."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import HarnessError, UsageError
from .folders import SUITES
from .items import content_hash
from .progress import Progress
from .store import Store
from .trainers.data import PreferencePair, read_pairs

if TYPE_CHECKING:
    from .engine import Side

PAIR_ACCURACY = "preference.pair_accuracy"
WIN_RATE = "preference.win_rate"
WIN_RATE_LENGTH_ADJUSTED = "preference.win_rate_length_adjusted"


@dataclass(frozen=True)
class PairScore:
    """Whether the candidate, measured against the baseline, prefers the chosen answer of one pair."""

    pair: PreferencePair
    chosen_gain: float
    """log p(chosen) of the candidate - of the baseline, in nats, summed over response tokens."""
    rejected_gain: float

    @property
    def score(self) -> float:
        """1 if the chosen answer gained more than the rejected one, 0 if less, 0.5 if the same."""
        return (1 + float(np.sign(self.chosen_gain - self.rejected_gain))) / 2


def load_pairs(name_or_path: str) -> list[PreferencePair]:
    """Preference pairs from the shipped `pairs_<name>.jsonl`, or any source that training takes.

    Raises DataError (file:line), or UsageError for what can be neither.
    """
    shipped = SUITES / "data" / f"pairs_{name_or_path}.jsonl"
    if shipped.is_file():
        return read_pairs(shipped)
    if "/" not in name_or_path and not Path(name_or_path).exists():
        known = sorted(file.stem.removeprefix("pairs_") for file in shipped.parent.glob("pairs_*.jsonl"))
        raise UsageError(f"{name_or_path}: no such file of pairs, nor a shipped set ({', '.join(known)})")
    return read_pairs(name_or_path)


def pair_scores(
    baseline: "Side", candidate: "Side", pairs: Sequence[PreferencePair], store: Store, *, progress: Progress
) -> list[PairScore]:
    """One PairScore per pair, in order; progress counts pairs of both sides."""
    total = 2 * len(pairs)
    before = log_probs(baseline, pairs, store, lambda done, _: progress(done, total))
    gains = log_probs(candidate, pairs, store, lambda done, _: progress(len(pairs) + done, total)) - before
    return [PairScore(pair, float(c), float(r)) for pair, (c, r) in zip(pairs, gains, strict=True)]


def log_probs(side: "Side", pairs: Sequence[PreferencePair], store: Store, progress: Progress) -> NDArray[np.float64]:
    """Summed response log-probabilities [pairs, 2] (chosen, rejected) of one side, through the cache."""
    from .trainers.encoding import encode_pair

    encoded = [encode_pair(pair, side.tokenizer) for pair in pairs]
    keys = [content_hash({"side": dict(side.identity), "pair": asdict(pair) if pair else None}) for pair in encoded]

    def ask(missing: list[int]) -> list[list[float]]:
        from .trainers.evaluation import pair_log_probs

        with side.active() as model:
            asked = [pairs[i] for i in missing]
            values = pair_log_probs(model, side.tokenizer, asked, batch_size=max(1, side.batch_size // 6))
        return [[float(value) for value in row] for row in values]

    values = np.array(store.fetch("pair_log_probs", keys, ask, progress=progress), dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(values).all():
        bad = pairs[int(np.argmin(np.isfinite(values).all(axis=1)))]
        raise HarnessError(f"{side.checkpoint.spec}: gives {bad.where} a log-probability that is not finite")
    return values


class CachedOptions:
    """A Side as the judges' OptionScorer, its answers kept in the store."""

    def __init__(self, side: "Side", store: Store) -> None:
        self.name = side.checkpoint.spec
        self.identity = dict(side.identity)
        self._side = side
        self._store = store

    def option_log_probs(
        self,
        conversations: Sequence[Sequence[Mapping[str, str]]],
        options: Sequence[str],
        *,
        progress: Progress | None = None,
    ) -> NDArray[np.float64]:
        """Log-probabilities (nats) [conversations, options] of each option as the next token."""
        identity = {"side": dict(self._side.identity), "options": list(options)}
        keys = [content_hash(identity | {"text": self._side.render(c)}) for c in conversations]

        def ask(missing: list[int]) -> list[list[float]]:
            values = self._side.option_log_probs([conversations[i] for i in missing], options)
            return [[float(value) for value in row] for row in values]

        return np.array(self._store.fetch("option_log_probs", keys, ask, progress=progress), dtype=np.float64)
