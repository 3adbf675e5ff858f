"""What a card tells, file by file: counts that add up, so that a file that a version shares with its parent is not
counted again.

A fact is how often a value, a number or a length is in a file of rows; an id is told by its hash alone. Facts follow
from the bytes of a file. They are kept with the fingerprints (orchestration/lib/fingerprints.py), and no part of a
version: where they are missing they are counted, and come out the same. What is made of them is in
`card_statistics`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.lib import parquet_files
from orchestration.lib.duck import BESIDE
from orchestration.lib.field_sql import quote
from orchestration.lib.row_hash import identifier

# (file, kind, name, value, number, rows) and (file, name, id); the split of each file.
FACTS, IDS, FILES = f"{BESIDE}.card_facts", f"{BESIDE}.card_ids", f"{BESIDE}.card_files"
ROWS, FILLED, VALUE, NUMBER, RANGE, ID = "rows", "filled", "value", "number", "range", "id"
_COLUMNS = {
    FACTS: "file ubigint, kind varchar, name varchar, value varchar, number double, rows bigint",
    IDS: "file ubigint, name varchar, id ubigint",
}
_NARROW, _LENGTHS, _PATHS = f"{BESIDE}.narrow_columns", f"{BESIDE}.lengths", f"{BESIDE}.card_paths"
_WANTED = f"{BESIDE}.card_wanted"
# Columns beside those of the rows, which may have any name.
_FILE, _ALL = "__file", "__rows"


@dataclass(frozen=True)
class RowsFile:
    """A file of rows, the split that they are in, and the file of their lengths, if there is one; by its sha256."""

    split: str
    data: Path
    rows: Path | None
    sha256: str

    @property
    def number(self) -> int:
        return int(self.sha256[:16], 16)


@dataclass(frozen=True)
class Wanted:
    """What is to be told of rows: name to kind for the columns that are read, name to SQL for lengths of the others."""

    narrow: Mapping[str, str]
    lengths: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Other facts have another."""
        told = [list(self.narrow.items()), list(self.lengths.items()), _COLUMNS, duckdb.__version__]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def find_facts(
    connection: duckdb.DuckDBPyConnection, files: Sequence[RowsFile], wanted: Wanted, kept: Path | None = None
) -> None:
    """Fills FACTS, IDS and FILES with those of a version's files; what is in the folder `kept` is taken from there."""
    connection.execute(f"attach if not exists ':memory:' as {BESIDE}")
    connection.execute(f"create or replace table {FILES} (file ubigint, split_ varchar)")
    connection.execute(f"insert into {FILES} values {', '.join(f'({f.number}, {quote(f.split)})' for f in files)}")
    connection.execute(f"create or replace table {_WANTED} as select {quote(wanted.digest)} as digest")
    for table, columns in _COLUMNS.items():
        connection.execute(f"create or replace table {table} ({columns})")
        if kept and (path := _path(kept, table, wanted.digest)).exists():
            of_version = f"file in (select file from {FILES})"
            connection.execute(f"insert into {table} from {parquet_files.read([path])} where {of_version}")
    known = {file for (file,) in connection.execute(f"select file from {FACTS} where kind = '{ROWS}'").fetchall()}
    if new := [file for file in files if file.number not in known]:
        _read(connection, new, wanted)
        _count(connection, wanted)


def keep_facts(connection: duckdb.DuckDBPyConnection, folder: Path, *, options: str) -> None:
    """Writes those of the version whose facts were found last; `options` are further ones of COPY."""
    ((digest,),) = connection.execute(f"select digest from {_WANTED}").fetchall()
    for table in _COLUMNS:
        target = quote(str(_path(folder, table, digest)))
        connection.execute(f"copy {table} to {target} (format parquet, compression snappy{options})")


def _path(folder: Path, table: str, digest: str) -> Path:
    return folder / f"{table.rsplit('.', 1)[-1]}-{digest}.parquet"


def _read(connection: duckdb.DuckDBPyConnection, files: Sequence[RowsFile], wanted: Wanted) -> None:
    """The narrow columns and the lengths of the files' rows, each read once."""
    paths = [(str(path), file.number) for file in files for path in (file.data, file.rows) if path]
    rows = ", ".join(f"({quote(path)}, {number}::ubigint)" for path, number in paths)
    connection.execute(f"create or replace table {_PATHS} as select * from (values {rows}) as paths (path, file)")
    has_lengths = all(file.rows for file in files)
    lengths = {name: identifier(name) if has_lengths else sql for name, sql in wanted.lengths.items()}
    narrow = {name: identifier(name) for name in wanted.narrow}
    data = [file.data for file in files]
    for table, columns, of in (
        (_NARROW, narrow, data),
        (_LENGTHS, lengths, [file.rows for file in files if file.rows] if has_lengths else data),
    ):
        told = "".join(f", {sql} as {identifier(name)}" for name, sql in columns.items())
        source = parquet_files.read(of, options="filename = true")
        rows = f"{source} as rows join {_PATHS} as paths on rows.filename = paths.path"
        connection.execute(f"create or replace table {table} as select paths.file as {_FILE}{told} from {rows}")


def _count(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> None:
    """A query a column, so that no more than one is counted at once."""
    counted = {
        VALUE: "select {file}, '{kind}', {name}, {column}::varchar, null, count(*) from {table} group by all",
        # What is no finite number is counted, too; adding 0 makes one of the two zeros.
        NUMBER: """
            select {file}, '{kind}', {name}, null, case when isfinite(x) then x + 0 end, count(*)
            from (select {file}, {column}::double as x from {table}) group by all
        """,
        RANGE: """
            select {file}, '{kind}', {name}, unnest([min({column}), max({column})])::varchar, null, null
            from {table} group by {file}
        """,
        ID: "select distinct {file}, {name}, hash({column}) from {table} where {column} is not null",
    }
    asked = [(_NARROW, name, kind) for name, kind in wanted.narrow.items() if kind != FILLED]
    asked += [(_LENGTHS, name, NUMBER) for name in wanted.lengths]
    for table, name, kind in asked:
        column = identifier(name)
        query = counted[kind].format(file=_FILE, kind=kind, name=quote(name), column=column, table=table)
        connection.execute(f"insert into {IDS if kind == ID else FACTS} {query}")
    filled = "".join(f", count({identifier(name)}) as {identifier(name)}" for name in wanted.narrow)
    connection.execute(
        f"""
        insert into {FACTS}
        select {_FILE}, if(name = '{_ALL}', '{ROWS}', '{FILLED}'), name, null, null, rows
        from (
            unpivot (select {_FILE}, count(*) as {_ALL}{filled} from {_NARROW} group by {_FILE})
            on * exclude ({_FILE}) into name name value rows
        )
        """
    )
    for table in (_NARROW, _LENGTHS):
        connection.execute(f"drop table {table}")
