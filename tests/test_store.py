import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.store import RunRow, Store


def test_what_was_put_comes_back_in_a_new_process_like_store(tmp_path: Path) -> None:
    value = {"text": "caf\u00e9 \ud800 \x00 \u2028 \u202e 👩‍👩‍👧", "tokens": 3, "score": 0.1}
    with Store(tmp_path) as store:
        store.put_many("completion", {"a": value})
    with Store(tmp_path) as store:
        assert store.get_many("completion", ["a", "b"]) == {"a": value}
        assert (store.hits, store.misses) == (1, 1)
        assert store.get_many("benchmark", ["a"]) == {}


def test_fetch_computes_only_what_is_missing_and_keeps_order(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_many("completion", {"b": "old"})
        asked: list[list[int]] = []

        def compute(missing: list[int]) -> list[str]:
            asked.append(missing)
            return [f"new{i}" for i in missing]

        assert store.fetch("completion", ["a", "b", "c"], compute) == ["new0", "old", "new2"]
        assert store.fetch("completion", ["c", "a"], compute) == ["new2", "new0"]
        assert asked == [[0, 2]]


def test_without_cache_nothing_is_read_or_written(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_many("completion", {"a": 1})
    with Store(tmp_path, use_cache=False) as store:
        store.put_many("completion", {"b": 1})
        assert store.get_many("completion", ["a", "b"]) == {}
    with Store(tmp_path) as store:
        assert store.get_many("completion", ["a", "b"]) == {"a": 1}


def test_nan_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path) as store, pytest.raises(ValueError, match="Out of range float"):
        store.put_many("completion", {"a": float("nan")})


@pytest.mark.parametrize("damage", ["value", "checksum"])
def test_a_flipped_byte_is_a_miss_with_a_warning(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    with Store(tmp_path) as store:
        store.put_many("completion", {str(i): {"text": "x" * 50, "i": i} for i in range(50)})
    db = sqlite3.connect(tmp_path / "harness.sqlite")
    for key, raw in db.execute(f"SELECT key, {damage} FROM cache").fetchall():
        flipped = bytearray(raw, "ascii")
        flipped[int(key) % len(raw)] ^= 0x80 if int(key) % 2 else 0x01
        db.execute(f"UPDATE cache SET {damage} = CAST(? AS TEXT) WHERE key = ?", (bytes(flipped), key))
    db.commit()
    db.close()
    with Store(tmp_path) as store:
        assert store.get_many("completion", [str(i) for i in range(50)]) == {}
    assert "damaged" in caplog.text


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_many("completion", {"a": 1})
        assert {stat.S_IMODE(f.stat().st_mode) for f in tmp_path.glob("harness.sqlite*")} == {0o600}


def test_a_damaged_store_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "harness.sqlite").write_bytes(b"not a database, but somebody's file" * 100)
    with pytest.raises(HarnessError, match=r"harness\.sqlite: file is not a database"):
        Store(tmp_path)
    assert (tmp_path / "harness.sqlite").read_bytes().startswith(b"not a database")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "harness.sqlite")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(HarnessError, match="newer harness"):
        Store(tmp_path)


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "harness.sqlite")
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(HarnessError, match="not a harness store"):
        Store(tmp_path)


WRITER = """
import sys
from pathlib import Path
from harness.store import Store
with Store(Path(sys.argv[1])) as store:
    for i in range(100):
        store.put_many("completion", {f"{sys.argv[2]}-{i}": i})
"""


def test_eight_writers_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(worker)]) for worker in range(8)]
    assert [worker.wait() for worker in workers] == [0] * 8
    db = sqlite3.connect(tmp_path / "harness.sqlite")
    assert db.execute("SELECT count(*) FROM cache").fetchone() == (800,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_full_disk_is_one_line_and_earlier_rows_stay(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_many("completion", {"early": 1})
        store._db.execute("PRAGMA max_page_count=1")  # SQLite then answers as on a full disk
        with pytest.raises(HarnessError, match="full; free some space"):
            store.put_many("completion", {str(i): "x" * 5000 for i in range(100)})
        assert store.get_many("completion", ["early"]) == {"early": 1}


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    rows = [RunRow(f"r{i}", f"2026-01-0{i}", "promote", "smoke", "a", "b", f"r{i}") for i in (1, 2)]
    with Store(tmp_path) as store:
        for row in rows:
            store.add_run(row)
        assert [row.id for row in store.runs()] == ["r2", "r1"]
        assert store.runs()[1] == rows[0]


def test_cached_text_is_ascii_json(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_many("completion", {"a": "é"})
    db = sqlite3.connect(tmp_path / "harness.sqlite")
    ((text,),) = db.execute("SELECT value FROM cache").fetchall()
    assert text.isascii() and json.loads(text) == "é"
