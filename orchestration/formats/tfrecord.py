"""TensorFlow's TFRecord: one tf.train.Example a row, a file for each Parquet file.

A column is a feature under its name. Integers, booleans and times (microseconds since 1970) are int64; numbers are
float, of 32 bits as everywhere in Example; texts and dates are UTF-8 bytes; a list of any of these is a repeated
feature; what is nested deeper is JSON text. A null is a feature that is not there.

Libraries that encode row by row were turned down: `tfrecord` 1.14.6 takes 32 s for 100,000 rows of 35 columns and
does not promise the order of features, so that the same rows could make other bytes. Here it is Arrow's columns that
are encoded.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.sqltypes import DuckDBPyType

from orchestration.formats import wire
from orchestration.formats.base import DataFiles, Format, Written
from orchestration.formats.column_types import FLOATS, INTEGERS, element_of, is_scalar, parse
from orchestration.lib import parquet_files

# Rows encoded at once: their bytes are in memory several times.
BATCH_ROWS = 8192
# The tags of Feature's oneof. Each list in it has its values in field 1.
_FEATURE_TAGS = {"bytes": b"\x0a", "float": b"\x12", "int": b"\x1a"}
_FIELD_1, _FIELD_2 = b"\x0a", b"\x12"
_CRC_MASK = 0xA282EAD8


def _scalar(kind: DuckDBPyType, value: str) -> tuple[str, str]:
    """The SQL that a scalar is read with, and what feature it makes."""
    if kind.id in INTEGERS or kind.id == "boolean":
        return f"{value}::bigint", "int"
    if kind.id in FLOATS:
        return f"{value}::double", "float"
    if kind.id.startswith("timestamp"):
        return f"epoch_us({value})", "int"
    return (value if kind.id == "blob" else f"{value}::varchar"), "bytes"


def _column(kind: DuckDBPyType, name: str) -> tuple[str, str]:
    column = '"' + name.replace('"', '""') + '"'
    element = element_of(kind)
    if element and is_scalar(element):
        value, feature = _scalar(element, "x")
        # A repeated feature has no place for a null.
        return f"list_transform(list_filter({column}, lambda x: x is not null), lambda x: {value})", feature
    return _scalar(kind, column) if is_scalar(kind) else (f"to_json({column})::varchar", "bytes")


def _values(feature: str, values: pa.Array) -> pa.Array:
    """Each value as it stands in its feature's list: bytes with tag and length, the numbers packed."""
    if feature == "bytes":
        return wire.delimited(_FIELD_1, pc.fill_null(values.cast(wire.BYTES), b""))
    if feature == "int":
        return wire.varints(pc.fill_null(values, 0).to_numpy(zero_copy_only=False))
    with np.errstate(over="ignore"):  # what 32 bits can not hold is infinite, as TensorFlow has it
        return wire.fixed(pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False).astype(np.float32))


def _entry(name: str, feature: str, column: pa.Array) -> pa.Array:
    """A column as an entry of the map of features; nothing where it is null."""
    if pa.types.is_list(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        values = wire.regrouped(_values(feature, column.flatten()), np.concatenate([[0], np.cumsum(lengths)]))
    else:
        values = _values(feature, column)
    listed = values if feature == "bytes" else wire.delimited(_FIELD_1, values)
    key = name.encode()
    named = wire.joined(
        _FIELD_1 + wire.varints(np.array([len(key)]))[0].as_py() + key,
        wire.delimited(_FIELD_2, wire.delimited(_FEATURE_TAGS[feature], listed)),
    )
    return pc.if_else(column.is_valid(), wire.delimited(_FIELD_1, named), pa.scalar(b"", wire.BYTES))


def _masked_crc(checksums: np.ndarray) -> np.ndarray:
    crc = checksums.astype(np.uint32)
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_CRC_MASK)


def _framed(records: pa.Array) -> pa.Array:
    """Each record with its length before it, and a checksum of either."""
    # Optional: nobody else needs it.
    from crc32c import crc32c

    lengths = wire.fixed(pc.binary_length(records).to_numpy(zero_copy_only=False).astype(np.uint64))

    def checksums(column: pa.Array) -> pa.Array:
        crc = np.fromiter((crc32c(value.as_buffer()) for value in column), np.uint32, len(column))
        return wire.fixed(_masked_crc(crc))

    return wire.joined(lengths, checksums(lengths), records, checksums(records))


def _write(
    connection: duckdb.DuckDBPyConnection, data_files: DataFiles, types: Mapping[str, str], folder: Path
) -> Written:
    columns = {name: _column(parse(connection, kind), name) for name, kind in types.items()}
    query = "select " + ", ".join(sql for sql, _ in columns.values())
    files, rows = [], 0
    (folder / "tfrecord").mkdir()
    for parquet in (path for paths in data_files.values() for path in paths):
        target = folder / "tfrecord" / f"{parquet.stem}.tfrecord"
        with target.open("wb") as file:
            found = connection.execute(f"{query} from {parquet_files.read([parquet])}")
            for batch in found.to_arrow_reader(BATCH_ROWS):
                entries = [
                    _entry(name, feature, batch.column(n)) for n, (name, (_, feature)) in enumerate(columns.items())
                ]
                framed = _framed(wire.delimited(_FIELD_1, wire.joined(*entries)))
                file.write(b"".join(framed.to_pylist()))
                rows += len(batch)
        files.append(target)
    return Written(files, rows)


def _not_installed() -> str | None:
    if find_spec("crc32c"):
        return None
    return "install the extra: pip install 'feedback-attribution[tfrecord]'"


FORMAT = Format(needs=(), write=_write, not_installed=_not_installed)
