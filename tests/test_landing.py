"""Reading landing files: where they may lie, and that chunks do not depend on how files were packed."""

import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import fsspec
import pyarrow as pa
import pytest

from orchestration.contracts.feedback import FEEDBACK
from orchestration.lib import landing
from orchestration.lib.landing import LineReader, landing_files
from orchestration.lib.ledger import load_partition
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.settings import Settings, SettingsError
from orchestration.lib.store import Store
from tests.traffic import land, thumbs

DAY = date(2024, 6, 1)


def settings_of(folder: Path) -> Settings:
    return Settings.from_env({"FEEDBACK_DATA_DIR": str(folder)})


def test_landing_may_be_any_fsspec_url(tmp_path: Path) -> None:
    lines = [thumbs(DAY, n) for n in range(5)]
    land(tmp_path / "local", "feedback", DAY, lines)
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/landing/feedback/dt={DAY}/events.jsonl", "".join(f"{line}\n" for line in lines).encode())
    local = settings_of(tmp_path / "local")
    remote = replace(settings_of(tmp_path / "remote"), landing_url="memory://landing")
    for settings in (local, remote):
        assert load_partition(settings, FEEDBACK, DAY).lines == 5
    files = [Path(s.ledger_url) / ledger_path("feedback", DAY) for s in (local, remote)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_only_landing_may_be_a_url() -> None:
    with pytest.raises(SettingsError, match="FEEDBACK_LEDGER_URL"):
        Settings.from_env({"FEEDBACK_LEDGER_URL": "s3://bucket/ledger"})


def test_chunks_depend_on_the_lines_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger's bytes must not depend on compression or on how much was read at once."""
    monkeypatch.setattr(landing, "CHUNK_LINES", 7)
    monkeypatch.setattr(landing, "CHUNK_BYTES", 900)
    text = "".join(f"{thumbs(DAY, n)}\n" for n in range(50)).encode()
    seen: list[list[tuple[int, bytes]]] = []
    for name, content, block in (
        ("a.jsonl", text, 64),
        ("a.jsonl", text, 10_000),
        ("a.jsonl.gz", gzip.compress(text), 64),
    ):
        monkeypatch.setattr(landing, "BLOCK_BYTES", block)
        folder = tmp_path / f"{name}-{block}" / "feedback" / f"dt={DAY}"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        store = Store(str(folder.parents[1]))
        reader = LineReader(store, landing_files(store, "feedback", DAY), max_line_bytes=1000)
        chunks: list[pa.Table] = list(reader.chunks())
        assert reader.lines == 50
        seen.append([(chunk.num_rows, b"".join(chunk["bytes"].to_pylist())) for chunk in chunks])
    assert seen[0] == seen[1] == seen[2]


def test_what_can_not_be_cut_into_lines_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "KEEP_BYTES", 5_000)
    monkeypatch.setattr(landing, "BLOCK_BYTES", 1_000)
    settings = replace(settings_of(tmp_path), max_line_bytes=2_000)
    land(tmp_path, "feedback", DAY, ["x" * 100_000, thumbs(DAY, 1)])
    assert load_partition(settings, FEEDBACK, DAY).dead_letters == {"line_too_long": 1}
    kept = duckdb.sql(f"select raw from '{settings.ledger_url}/{ledger_path('feedback', DAY)}' where raw is not null")
    assert [len(row[0]) for row in kept.fetchall()] == [5_000]
