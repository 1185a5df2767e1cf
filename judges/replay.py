"""A judge that repeats recorded verdicts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import JudgeDataError
from .gold import json_rows
from .orders import ORDERS
from .verdicts import Game, Outcome, Progress, Verdict

_OUTCOMES: Mapping[Any, Outcome] = {"first": "first", "second": "second", "tie": "tie", None: "unscored"}


class ReplayJudge:
    """Verdicts from JSONL rows `{"id", "order", "verdict"}` (with `confidence`, `reason` and `raw` where they are).

    A Run's verdicts.jsonl is such a file. Games are found by the id of their question; one that was not recorded is
    unscored. Raises JudgeDataError with file and line.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = f"replay:{path}"
        rows = [(f"{path}:{number}", row) for number, row in json_rows(Path(path))]
        self._recorded: dict[tuple[str, str], Mapping[str, Any]] = {}
        for where, row in rows:
            key = _key(row, where)
            if key in self._recorded:
                raise JudgeDataError(f"{where}: {key[0]!r} in the order {key[1]} is recorded twice")
            self._recorded[key] = row
        content = json.dumps([row for _, row in rows], sort_keys=True)
        self.identity: Mapping[str, Any] = {"provider": "replay", "rows": hashlib.sha256(content.encode()).hexdigest()}

    def judge(self, games: Sequence[Game], *, progress: Progress | None = None) -> list[Verdict]:
        """One Verdict a game, as it was recorded."""
        verdicts = [self._verdict(game) for game in games]
        if progress:
            progress(len(games), len(games))
        return verdicts

    def _verdict(self, game: Game) -> Verdict:
        row = self._recorded.get((game.question.id, game.order))
        if row is None:
            return Verdict.of(game, "unscored", reason=f"not among the recorded verdicts of {self.name}")
        outcome = _OUTCOMES[row["verdict"]]
        reason = row.get("reason") or ("recorded without a verdict" if outcome == "unscored" else "")
        confidence = row.get("confidence")
        return Verdict.of(game, outcome, reason=str(reason), confidence=confidence, raw=str(row.get("raw") or ""))


def _key(row: Any, where: str) -> tuple[str, str]:
    if not isinstance(row, dict):
        raise JudgeDataError(f"{where}: expected an object with id, order, verdict")
    if not isinstance(row.get("id"), str) or row.get("order") not in ORDERS:
        raise JudgeDataError(f"{where}: expected 'id', a string, and 'order', ab or ba")
    verdict, confidence = row.get("verdict"), row.get("confidence")
    if "verdict" not in row or not isinstance(verdict, str | None) or verdict not in _OUTCOMES:
        raise JudgeDataError(f"{where}: 'verdict' must be first, second, tie or null, got {json.dumps(verdict)[:60]}")
    if confidence is not None and not (isinstance(confidence, int | float) and 0 <= confidence <= 1):
        raise JudgeDataError(f"{where}: 'confidence' must be between 0 and 1, got {json.dumps(confidence)[:60]}")
    return row["id"], row["order"]
