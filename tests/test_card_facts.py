"""What a card counts file by file, beside the same counted in plain Python over all rows.

The failure that this prevents: counts of files that do not add up to those of the version: a user who is in two files
and counted twice, a median of medians, a file that changed and is told as it was.
"""

import math
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest

from orchestration.lib import card_facts
from orchestration.lib.card_facts import RowsFile, find_facts, keep_facts
from orchestration.lib.card_statistics import Statistics, facts_wanted, statistics
from orchestration.lib.class_balance import class_balance
from orchestration.lib.store import file_sha256

TYPES = {
    "feedback_id": "VARCHAR",
    "request_id": "VARCHAR",
    "user_id": "VARCHAR",
    "feedback_type": "VARCHAR",
    "reward": "DOUBLE",
    "lag_seconds": "DOUBLE",
    "comment": "VARCHAR",
    "signal": "VARCHAR",
    "attributed_date": "DATE",
}
KEY = ("feedback_id",)
DAY = date(2024, 5, 1)


def row(n: int) -> dict[str, Any]:
    return {
        "feedback_id": f"fb-{n}",
        "request_id": f"req-{n // 3}",
        "user_id": None if n % 5 == 0 else f"user-{n % 7}",
        "feedback_type": "thumbs" if n % 3 else "rating",
        "reward": None if n % 4 == 0 else (n % 3 - 1) * 0.5,
        "lag_seconds": math.inf if n == 8 else n * n % 101 / 4,
        "comment": "é" * (n % 13) if n % 2 else None,
        "signal": None,
        "attributed_date": DAY + timedelta(n // 10),
    }


FILES = {"train-0": range(0, 30), "train-1": range(30, 41), "test-0": range(41, 80)}


def write(connection: duckdb.DuckDBPyConnection, folder: Path, files: dict[str, range]) -> list[RowsFile]:
    found = []
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    for name, numbers in files.items():
        connection.execute(f"create or replace temp table rows_ ({columns})")
        connection.executemany(
            f"insert into rows_ values ({', '.join('?' * len(TYPES))})", [list(row(n).values()) for n in numbers]
        )
        path = folder / f"{name}.parquet"
        connection.execute(f"copy rows_ to '{path}' (format parquet)")
        found.append(RowsFile(name.split("-")[0], path, None, file_sha256(path)))
    return found


def counted(connection: duckdb.DuckDBPyConnection, files: list[RowsFile], kept: Path | None = None) -> Statistics:
    types = {name: duckdb.type(kind) for name, kind in TYPES.items()}
    find_facts(connection, files, facts_wanted(types, KEY), kept)
    return statistics(connection, dict.fromkeys(file.split for file in files), types, KEY)


@pytest.fixture
def connection() -> Any:
    with duckdb.connect() as connection:
        yield connection


def test_the_facts_of_files_add_up_to_those_of_all_rows(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = write(connection, tmp_path, FILES)
    found, rows = counted(connection, files), [row(n) for of_file in FILES.values() for n in of_file]
    assert found.rows == {"train": 41, "test": 39}
    assert found.distinct == {c: len({r[c] for r in rows} - {None}) for c in ("feedback_id", "request_id", "user_id")}
    types = Counter((r["feedback_type"], "train" if n < 41 else "test") for n, r in enumerate(rows))
    assert {(kind, split): n for kind, by in found.classes["feedback_type"].items() for split, n in by.items()} == types
    values = {
        "reward": [r["reward"] for r in rows],
        "lag_seconds": [r["lag_seconds"] if math.isfinite(r["lag_seconds"]) else None for r in rows],
        "comment": [len(r["comment"]) if r["comment"] is not None else None for r in rows],
    }
    for told in (*found.numbers, *found.lengths):
        there = sorted(value for value in values[told.column] if value is not None)
        quartiles = tuple(there[math.ceil(share * len(there)) - 1] for share in (0.25, 0.5, 0.75))
        assert (told.low, told.quartiles, told.high) == (there[0], quartiles, there[-1])
        assert told.missing == len(rows) - len(there)
    assert found.ranges == {"attributed_date": ("2024-05-01", "2024-05-08", 0)}
    assert found.rows_by_time == {str(DAY + timedelta(n)): 10 for n in range(8)}
    assert found.empty == ["signal"]
    signs = Counter(
        "none" if v is None else "good" if v > 0 else "bad" if v < 0 else "neutral" for v in values["reward"]
    )
    assert {sign: sum(by.values()) for sign, by in class_balance(connection, found)["reward"].items()} == signs


def test_a_file_that_is_known_is_not_read_and_one_that_is_gone_not_told(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    before, after, kept = tmp_path / "before", tmp_path / "after", tmp_path / "kept"
    for folder in (before, after, kept):
        folder.mkdir()
    counted(connection, write(connection, before, FILES))
    keep_facts(connection, kept, options="")
    files = write(connection, after, FILES | {"train-1": range(30, 39), "train-2": range(80, 95)})
    with mock.patch.object(card_facts, "_read", wraps=card_facts._read) as read:
        found = counted(connection, files, kept)
    assert [file.data.stem for file in read.call_args.args[1]] == ["train-1", "train-2"]
    assert found == counted(connection, files)
    assert found.rows == {"train": 54, "test": 39}
