"""Ledger files of days whose landing files are gone: rewritten in place of a new load."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path

import pyarrow as pa

from orchestration.contracts.fields import Stream
from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.plan import ERASE, SCRUB, Line
from orchestration.lib.erasure.tombstones import ERASED, entomb
from orchestration.lib.landing import CHUNK_LINES
from orchestration.lib.landing import landing_files as landed_files
from orchestration.lib.ledger import rows_of_files
from orchestration.lib.ledger_parts import day_of, parts_of
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

_OF_LINES = ("source_file", "dead_letter_reason", "dead_letter_detail")


def lines_that_name(
    settings: Settings, stream: Stream, day: date, paths: Sequence[str | Path], names: Names
) -> list[Line]:
    """The lines of a day's ledger files, or some of them, in any of whose texts an id stands."""
    if not paths:
        return []
    rows_of_day = rows_of_files(settings, [str(path) for path in paths], options="hive_partitioning = false")
    found = []
    with connect(settings) as connection:
        schema = connection.execute(f"from {rows_of_day} limit 0").to_arrow_table().schema
        texts = [f.name for f in schema if pa.types.is_string(f.type) and f.name not in _OF_LINES]
        joined = f"concat_ws(chr(10), {', '.join(texts)})"
        for pattern in names.patterns:
            rows = connection.execute(
                f"select source_file, source_line, {joined} from {rows_of_day} "
                f"where dead_letter_reason is distinct from '{ERASED}' and regexp_matches({joined}, ?)",
                [pattern],
            ).fetchall()
            found += [
                Line(stream.name, str(day), file, n, SCRUB) for file, n, text in rows if names.are_in(text.encode())
            ]
    return list(dict.fromkeys(found))


def rewrite(
    settings: Settings, stream: Stream, day: date, lines: Sequence[Line], names: Names, erasure_id: str
) -> bool:
    """Puts tombstones into a day's files, and takes names out of other lines; False where there is nothing to do."""
    wanted = {(line.source_file, line.source_line): line.what for line in lines}
    parts = parts_of(Store(settings.ledger_url), stream.name, day)
    return any([_rewrite(settings, stream, part, wanted, names, erasure_id) for part in parts])


def _rewrite(
    settings: Settings, stream: Stream, part: str, wanted: Mapping[tuple[str, int], str], names: Names, erasure_id: str
) -> bool:
    ledger = Store(settings.ledger_url)
    path = Path(ledger.full(part))
    told = parquet_files.metadata_of(settings, path)
    told["landing_files"] = _sizes_now(settings, stream, day_of(part), told["landing_files"])
    told["ledger_version"] = _digest(f"{told['ledger_version']}\n{erasure_id}")
    changed: list[bool] = []

    def rewritten() -> Iterator[pa.Table]:
        for before in parquet_files.stored(settings, path, rows_at_once=CHUNK_LINES):
            after = _without(before, wanted, names, erasure_id)
            changed.append(not after.equals(before))
            yield after

    tables = rewritten()
    first = next(tables)
    with parquet_files.scratch_file(settings) as beside:
        parquet_files.write(
            settings, beside, first.schema, chain([first], tables), metadata=lambda: told, row_group_size=CHUNK_LINES
        )
        if any(changed):
            parquet_files.put(settings, ledger, beside, part)
    return any(changed)


def _without(rows: pa.Table, wanted: Mapping[tuple[str, int], str], names: Names, erasure_id: str) -> pa.Table:
    places = zip(rows["source_file"].to_pylist(), rows["source_line"].to_pylist(), strict=True)
    whats = [wanted.get(place) for place in places]
    is_old = [reason == ERASED for reason in rows["dead_letter_reason"].to_pylist()]
    ids = [erasure_id if w == ERASE and not old else None for w, old in zip(whats, is_old, strict=True)]
    if any(ids):
        rows = entomb(rows, pa.array(ids, pa.string()))
    if SCRUB in whats:
        for field in [f for f in rows.schema if pa.types.is_string(f.type) and f.name not in _OF_LINES]:
            values = [
                names.scrubbed_text(value) if value is not None and what == SCRUB else value
                for value, what in zip(rows[field.name].to_pylist(), whats, strict=True)
            ]
            rows = rows.set_column(rows.schema.get_field_index(field.name), field, pa.array(values, field.type))
    return rows


def _sizes_now(settings: Settings, stream: Stream, day: date, landing_files: str) -> str:
    """What the file was loaded from, with the sizes that the landing files have after they were rewritten."""
    landing = Store(settings.landing_url)
    now = {f.name: f.stored.bytes for f in landed_files(landing, stream.name, day)}
    return json.dumps([[name, now.get(name, size)] for name, size in json.loads(landing_files)], ensure_ascii=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
