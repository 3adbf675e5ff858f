"""Formats that a version comes in beside Parquet. Pure functions on a folder and a DuckDB connection; no Dagster.

What every version has whatever its recipe says (card, plots, Croissant) is `orchestration.lib.card` and `croissant`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.formats import openai_preference, openai_sft, tfrecord
from orchestration.formats.base import DataFiles, Format, FormatError, Written

__all__ = ["FORMATS", "DataFiles", "Format", "FormatError", "Written", "data_files", "write_formats"]

FORMATS: dict[str, Format] = {
    "openai_sft": openai_sft.FORMAT,
    "openai_preference": openai_preference.FORMAT,
    "tfrecord": tfrecord.FORMAT,
}


def data_files(folder: Path) -> dict[str, list[Path]]:
    """A version's Parquet files by split, `train` first."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / "data").glob("*.parquet")):
        found.setdefault(path.name.rsplit("-", 3)[0], []).append(path)
    return dict(sorted(found.items(), key=lambda item: (item[0] != "train", item[0])))


def write_formats(
    connection: duckdb.DuckDBPyConnection, folder: Path, names: Sequence[str], types: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Writes a version's formats; returns what the manifest says of each. Raises FormatError."""
    told = {}
    for name in names:
        written = FORMATS[name].write(connection, data_files(folder), types, folder)
        files = [path.relative_to(folder).as_posix() for path in written.files]
        told[name] = {"files": files, "rows": written.rows, "left_out": written.left_out}
    return told
