"""JSON Lines files written whole or not at all."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..fingerprint import write_atomically


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One object per line, in UTF-8. Raises UsageError where the file cannot be written."""
    try:
        write_atomically(path.resolve(), "".join(map(_line, rows)))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from None


def _line(row: Mapping[str, Any]) -> str:
    # What a data set of the hub holds (dates, say) JSON may not know; and UTF-8 has no half surrogate pairs.
    text = json.dumps(row, ensure_ascii=False, default=str)
    half = any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False
    return (json.dumps(row, default=str) if half else text) + "\n"
