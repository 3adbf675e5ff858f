"""A ledger file written anew without texts: lines, keys, words and numbers stay, and so do reasons of dead letters."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import chain

import pyarrow as pa

from orchestration.contracts.fields import Stream
from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.field_sql import quote
from orchestration.lib.landing import CHUNK_LINES
from orchestration.lib.ledger_parts import parts_of
from orchestration.lib.retention.text_fields import TEXT_EXPIRED, TextField, hashed_input, raw_left, text_fields
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

# Metadata of a file whose texts went: which of them are left, its version before, and that with which it was loaded.
TEXTS, BEFORE, LOADED = "texts", "version_before_texts_went", "loaded_version"
NO_TEXTS = "none"


@dataclass(frozen=True)
class Going:
    """Whose texts go: SQL on a ledger row, and the tables that it asks. Where `only_input`, the others stay, and the
    input's sha256 as well.
    """

    lines: str
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    only_input: bool = False

    def fields(self, stream: Stream) -> Mapping[str, TextField]:
        return {"input": hashed_input()} if self.only_input else text_fields(stream)


ALL = Going("true")


def write_without_texts(settings: Settings, stream: Stream, day: date, going: Going, *, left: str) -> None:
    """Writes a day's files anew, each in one step, without the texts that go.

    `left` names what is left, so that nobody does it again.
    """
    for part in parts_of(Store(settings.ledger_url), stream.name, day):
        _write_without_texts(settings, stream, part, going, left)


def _write_without_texts(settings: Settings, stream: Stream, part: str, going: Going, left: str) -> None:
    ledger = Store(settings.ledger_url)
    path = ledger.full(part)
    told = parquet_files.metadata_of(settings, path)
    if told.get(TEXTS) == left:  # a kill came between the hours of a day
        return
    version = told["ledger_version"]
    told |= {TEXTS: left, BEFORE: version, LOADED: told.get(LOADED, version)}
    told["ledger_version"] = hashlib.sha256(f"{version}\n{TEXTS}: {left}".encode()).hexdigest()[:16]
    tables = _without_texts(settings, stream, path, going)
    first = next(tables)
    with parquet_files.scratch_file(settings) as beside:
        parquet_files.write(
            settings, beside, first.schema, chain([first], tables), metadata=lambda: told, row_group_size=CHUNK_LINES
        )
        parquet_files.put(settings, ledger, beside, part)


def without_texts(stream: Stream, columns: list[str], going: Going) -> str:
    """The query from the rows of a file, `rows`, to the same rows without their texts."""
    fields = {name: one for name, one in going.fields(stream).items() if name in columns}
    had_text = " or ".join(f"({one.has_text})" for one in fields.values())
    of_sound = f"dead_letter_reason is null and ({going.lines})"
    made = {
        name: f"case when {of_sound} and {one.has_text} then {one.left} else {name} end::varchar"
        for name, one in fields.items()
    }
    made["raw"] = f"case when dead_letter_reason is not null and ({going.lines}) then {raw_left(stream)} else raw end"
    made["dead_letter_detail"] = (
        f"case when {of_sound} and ({had_text}) then {quote(TEXT_EXPIRED)} else dead_letter_detail end"
    )
    replaced = ", ".join(f"{value} as {name}" for name, value in made.items())
    return f"select * replace ({replaced}) from rows"


def _without_texts(settings: Settings, stream: Stream, path: str, going: Going) -> Iterator[pa.Table]:
    with connect(settings, threads=1) as connection:
        for name, table in going.tables.items():
            connection.register(name, table)
        for rows in parquet_files.stored(settings, path, rows_at_once=CHUNK_LINES):
            connection.register("rows", rows)
            query = without_texts(stream, rows.schema.names, going)
            yield connection.execute(query).to_arrow_table().cast(rows.schema)
