"""The store: one SQLite file with the content-keyed cache and the index of Runs.

Several processes may use one store. Readers never wait; writers take one file lock around each transaction,
because SQLite before 3.51.3 has a rare corruption race between WAL writers, and because plain `BEGIN` loses
writes to "database is locked" under contention.
"""

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from .errors import HarnessError, UsageError
from .progress import Progress

log = logging.getLogger(__name__)

Kind = Literal["completion", "benchmark", "pair_log_probs", "option_log_probs", "reference_log_probs"]

_APPLICATION_ID = 0x616C6E68  # "alnh": tells our file from any other SQLite file
_SCHEMA = 1
_TABLES = """
CREATE TABLE cache (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, decision TEXT NOT NULL, profile TEXT NOT NULL,
    baseline TEXT NOT NULL, candidate TEXT NOT NULL, path TEXT NOT NULL
);
"""
_NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "lustre",
    "ceph",
    "gpfs",
    "beegfs",
}
_KEYS_PER_QUERY = 500
_KEYS_PER_CHUNK = 32
_LOCK_SECONDS = 60


@dataclass(frozen=True)
class RunRow:
    """One Run in the index; `path` is relative to the results folder."""

    id: str
    created: str
    decision: str
    profile: str
    baseline: str
    candidate: str
    path: str


class Store:
    """`folder/harness.sqlite`, made (mode 0600) when missing.

    `hits` and `misses` count cache look-ups. With `use_cache=False` nothing is read from or written to the cache.
    Raises HarnessError where the file is damaged, of a newer version, or somebody else's: it is never overwritten.
    """

    def __init__(self, folder: Path, *, use_cache: bool = True) -> None:
        self.path = folder / "harness.sqlite"
        self.hits = 0
        self.misses = 0
        self._use_cache = use_cache
        self._lock = FileLock(f"{self.path}.lock", timeout=_LOCK_SECONDS, mode=0o600)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise UsageError(
                f"{self.path}: cannot be made ({error.strerror}); set HARNESS_RESULTS elsewhere"
            ) from error
        # Under the lock: two processes may meet on a new folder.
        with self._errors(), self._lock:
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
            # A flipped byte must read as a checksum failure, not as an exception while decoding.
            self._db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            self._open()

    def get_many(self, kind: Kind, keys: Sequence[str]) -> dict[str, Any]:
        """The cached values of those `keys` that are there and intact; counts hits and misses."""
        found = self._read(kind, keys) if self._use_cache else {}
        self.hits += sum(key in found for key in keys)
        self.misses += sum(key not in found for key in keys)
        return found

    def put_many(self, kind: Kind, rows: Mapping[str, Any]) -> None:
        """Writes the rows (JSON values) in one transaction; a row that is there already is replaced."""
        if not self._use_cache:
            return
        encoded = [(kind, key, text := _encode(value), _checksum(kind, key, text)) for key, value in rows.items()]
        with self._writing() as db:
            db.executemany("INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)", encoded)

    def fetch(
        self,
        kind: Kind,
        keys: Sequence[str],
        compute: Callable[[list[int]], Sequence[Any]],
        *,
        progress: Progress | None = None,
    ) -> list[Any]:
        """The values of `keys`, in order; `compute(positions)` gives (and the cache keeps) those not there yet.

        It works and writes in chunks, so that an interrupt loses one. Chunks depend on all keys, not on the missing
        ones: in low precision an answer may depend on its batch, and a resumed run must give the same answers.
        A value that is not finite is returned but not kept: a failure is never cached.
        """
        found = self.get_many(kind, keys)
        for start in range(0, len(keys), _KEYS_PER_CHUNK):
            chunk = range(start, min(start + _KEYS_PER_CHUNK, len(keys)))
            missing = [i for i in chunk if keys[i] not in found]
            if missing:
                fresh = {keys[i]: value for i, value in zip(missing, compute(missing), strict=True)}
                self.put_many(kind, {key: value for key, value in fresh.items() if _is_finite(value)})
                found |= fresh
            if progress:
                progress(chunk.stop, len(keys))
        return [found[key] for key in keys]

    def add_run(self, row: RunRow) -> None:
        """Enters a finished Run into the index."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(row))

    def runs(self) -> list[RunRow]:
        """All Runs of the index, newest first."""
        with self._errors():
            return [RunRow(*row) for row in self._db.execute("SELECT * FROM runs ORDER BY created DESC, id DESC")]

    def close(self) -> None:
        with self._lock, self._errors():
            self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        application = self._pragma("application_id")
        version = self._pragma("user_version")
        if application not in (0, _APPLICATION_ID) or (application == 0 and self._has_tables()):
            raise HarnessError(f"{self.path}: not a harness store; move it away or set HARNESS_RESULTS elsewhere")
        if version > _SCHEMA:
            raise HarnessError(
                f"{self.path}: written by a newer harness (schema {version}, this one knows {_SCHEMA}); "
                "upgrade alignment-harness"
            )
        self._db.execute(f"PRAGMA journal_mode={'DELETE' if _on_network(self.path) else 'WAL'}")
        self._db.execute("PRAGMA synchronous=FULL")
        if version < _SCHEMA:
            self._create()

    def _create(self) -> None:
        with self._writing() as db:
            if self._pragma("user_version") == _SCHEMA:  # another process was first
                return
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={_SCHEMA}")

    def _read(self, kind: Kind, keys: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            chunk = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(chunk))
            with self._errors():
                rows = self._db.execute(
                    f"SELECT key, value, checksum FROM cache WHERE kind = ? AND key IN ({marks})",
                    (kind, *chunk),
                ).fetchall()
            for key, text, checksum in rows:
                if checksum == _checksum(kind, key, text):
                    found[key] = json.loads(text)
                else:
                    log.warning("%s: a cached %s is damaged (checksum); it is computed again", self.path, kind)
        return found

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._errors(), self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            hint = (
                "free some space and run the same command again"
                if "full" in str(error)
                else "move it away to start anew"
            )
            raise HarnessError(f"{self.path}: {error}; {hint}") from error

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _has_tables(self) -> bool:
        return self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _encode(value: Any) -> str:
    # ASCII: SQLite rejects lone surrogates. No NaN: it would come back as NULL.
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _is_finite(value: Any) -> bool:
    try:
        _encode(value)
    except ValueError:
        return False
    return True


def _checksum(kind: str, key: str, text: str) -> str:
    return hashlib.sha256("\0".join((kind, key, text)).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _on_network(path: Path) -> bool:
    """Whether the file lies on a network file system, where WAL does not work (known for Linux only)."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return False
    resolved = path.resolve()
    best, kind = -1, ""
    for line in mounts.read_text(errors="replace").splitlines():
        _, point, file_system, *_ = line.split(" ")
        folder = Path(point.replace("\\040", " "))
        if resolved.is_relative_to(folder) and len(folder.parts) > best:
            best, kind = len(folder.parts), file_system
    return kind in _NETWORK_FILE_SYSTEMS or kind.startswith("fuse.sshfs")
