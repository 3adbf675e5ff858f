"""A column's type as other tools name it, nested ones too: DuckDB's, parsed once, to Hugging Face's and Croissant's."""

from typing import Any, cast

import duckdb
from duckdb.sqltypes import DuckDBPyType

from orchestration.formats.base import FormatError

NESTED = {"list", "array", "struct", "map", "union"}
INTEGERS = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"}
# What Parquet has no type for is written as a double.
FLOATS = {"float", "double", "decimal", "hugeint", "uhugeint"}
NUMBERS = INTEGERS | FLOATS
_HF_TYPES = {
    "varchar": "string",
    "enum": "string",
    "uuid": "string",
    "blob": "binary",
    "boolean": "bool",
    "tinyint": "int8",
    "smallint": "int16",
    "integer": "int32",
    "bigint": "int64",
    "utinyint": "uint8",
    "usmallint": "uint16",
    "uinteger": "uint32",
    "ubigint": "uint64",
    "float": "float32",
    "double": "float64",
    "hugeint": "float64",
    "uhugeint": "float64",
    "date": "date32",
    "time": "time64[us]",
    "timestamp": "timestamp[us]",
    "timestamp with time zone": "timestamp[us, tz=UTC]",
}
_CROISSANT_TYPES = {"boolean": "sc:Boolean", "date": "sc:Date"}


def parse(connection: duckdb.DuckDBPyConnection, name: str) -> DuckDBPyType:
    """The type that `DESCRIBE` names."""
    return connection.dtype(name)


def fields_of(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    """A struct's fields; empty where it is none."""
    return {name: cast(DuckDBPyType, of) for name, of in kind.children} if kind.id == "struct" else {}


def element_of(kind: DuckDBPyType) -> DuckDBPyType | None:
    """What a list holds; None where it is none."""
    return cast(DuckDBPyType, kind.children[0][1]) if kind.id in ("list", "array") else None


def is_scalar(kind: DuckDBPyType) -> bool:
    return kind.id not in NESTED


def hugging_face(name: str, kind: DuckDBPyType) -> dict[str, Any]:
    """One of a card's `dataset_info.features`."""
    described = _described(name, kind)
    return {"name": name, "dtype": described} if isinstance(described, str) else {"name": name, **described}


def _described(name: str, kind: DuckDBPyType) -> str | dict[str, Any]:
    if element := element_of(kind):
        of = _described(name, element)
        return {"list": of["struct"] if isinstance(of, dict) and "struct" in of else of}
    if fields := fields_of(kind):
        return {"struct": [hugging_face(field, of) for field, of in fields.items()]}
    if kind.id == "decimal":
        precision, scale = (of for _, of in kind.children)
        return f"decimal128({precision}, {scale})"
    if kind.id not in _HF_TYPES:
        raise FormatError(
            f"column {name!r} is {kind}, for which `datasets` has no type; cast it in the recipe's source"
        )
    return _HF_TYPES[kind.id]


def short(kind: DuckDBPyType) -> str:
    """The type in a few words, for people."""
    if element := element_of(kind):
        return f"list of {short(element)}"
    if fields := fields_of(kind):
        return "{" + ", ".join(f"{name}: {short(of)}" for name, of in fields.items()) + "}"
    return _HF_TYPES.get(kind.id, str(kind).lower())


def croissant(kind: DuckDBPyType) -> str:
    """The dataType of a scalar."""
    if kind.id in INTEGERS:
        return "sc:Integer"
    if kind.id in FLOATS:
        return "sc:Float"
    if kind.id.startswith("timestamp"):
        return "sc:DateTime"
    return _CROISSANT_TYPES.get(kind.id, "sc:Text")
