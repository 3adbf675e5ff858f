"""The hash of one row: sha256 over a text that every engine writes alike. What a version is named by rests on it."""

import hashlib
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa

from orchestration.lib.field_sql import quote

_FUNCTION = "sha256_of_text"


def add_sha256(connection: duckdb.DuckDBPyConnection) -> None:
    """Adds the function that `row_hash` calls. DuckDB's own sha256 takes three times as long: OpenSSL's uses what
    processors have for it.
    """
    try:
        # Called, and not looked for in the catalog: listing all functions takes a tenth of a second.
        connection.execute(f"select {_FUNCTION}('')").fetchall()
    except duckdb.CatalogException:
        connection.create_function(_FUNCTION, _sha256_of_each, ["VARCHAR"], "BLOB", type="arrow")  # type: ignore[call-overload]


def _sha256_of_each(texts: pa.ChunkedArray) -> pa.Array:
    """The digests of a batch of texts, none of them null, from the bytes as Arrow holds them."""
    return pa.chunked_array([_digests(chunk) for chunk in texts.chunks], pa.binary()).combine_chunks()


def _digests(texts: pa.Array) -> pa.Array:
    offset_type = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, offset_type)[texts.offset : texts.offset + len(texts) + 1].tolist()
    view = memoryview(content) if content else b""
    sha256 = hashlib.sha256
    digests = b"".join([sha256(view[start:end]).digest() for start, end in pairwise(ends)])
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(hashlib.sha256().digest_size), len(texts), [None, pa.py_buffer(digests)]
    ).cast(pa.binary())


def row_hash(types: dict[str, str]) -> str:
    """SQL for the sha256 of a row, as a blob; the connection needs `add_sha256`.

    Each column that holds something goes in by its name, a length and its text, whatever the columns' order: a new
    column that is null does not make another row of a row. One call of `concat`, since each `||` would copy all that
    stands left of it.
    """
    parts = []
    for column in sorted(types):
        text = as_text(column, types[column])
        parts += [f"{quote(column + '=')} || strlen({text}) || ':'", text]
    return f"{_FUNCTION}(concat({', '.join(parts)}))"


def as_text(column: str, kind: str) -> str:
    """SQL for a column as a text that every engine writes alike."""
    name = identifier(column)
    if kind.startswith("TIMESTAMP"):
        return f"epoch_us({name})::varchar"
    # What a list or a struct looks like as text is the engine's; JSON is everybody's.
    is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return f"to_json({name})::varchar" if is_nested else f"{name}::varchar"


def identifier(name: str) -> str:
    """A column's name as SQL takes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'
