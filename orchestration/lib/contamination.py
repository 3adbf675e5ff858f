"""A published version checked against a file of held-out texts: how many rows of each split are near one, and which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from orchestration.lib import parquet_files
from orchestration.lib.catalog import Catalog
from orchestration.lib.duck import connect
from orchestration.lib.field_sql import quote
from orchestration.lib.held_out_texts import rows_near_held_out
from orchestration.lib.recipe import row_key
from orchestration.lib.row_texts import NoTexts, texts_of
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.summary import table

# What a question is in, in the columns of the recipes that are shipped; the first that there is.
_QUESTIONS = ("prompt", "messages", "query", "context", "input")


@dataclass(frozen=True)
class Contamination:
    """Rows of each split, those of them near a held-out text, and the keys of these with the split that they are in."""

    rows: Mapping[str, int]
    near: Mapping[str, int]
    key: Sequence[str]
    found: list[tuple[str, ...]]
    columns: Sequence[str]
    texts: int


def contamination(
    settings: Settings,
    name: str,
    version: str,
    against: Path,
    *,
    of: str | None,
    columns: Sequence[str],
    similarity: float,
    shingle: int,
) -> Contamination:
    """`of` is the file's column, `columns` are the dataset's; without them those that its recipe names, or that hold
    questions. Raises StateError for what is not there or holds no texts.
    """
    catalog = Catalog(settings, name)
    manifest = catalog.published(version)
    key = row_key(manifest["recipe"]["source"], manifest["recipe"].get("key", ()))
    compared = tuple(columns) or _columns(manifest["recipe"])
    if not against.is_file():
        raise StateError(f"there is no file {against}; name a .parquet, .jsonl or .jsonl.gz file")
    with connect(settings) as connection:
        try:
            _read(connection, catalog, version, compared, key)
            near = rows_near_held_out(
                connection,
                "select unnest(texts), number from version_rows",
                {against.name: against},
                of=of,
                similarity=similarity,
                shingle=shingle,
            )
        except NoTexts as error:
            raise StateError(str(error)) from None
        rows = connection.execute("select split_, count(*) from version_rows group by all order by all").fetchall()
        found = _keys(connection, key, near.rows)
    counts = {split: sum(one[0] == split for one in found) for split, _ in rows}
    return Contamination(dict(rows), counts, key, found, compared, near.texts)


def _columns(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    named = recipe.get("held_out", {}).get("against") or recipe.get("near_duplicates", {}).get("of")
    if named:
        return tuple(named)
    found = next((column for column in _QUESTIONS if column in recipe["columns"]), None)
    if found is None:
        raise StateError(f"say with --column which column is compared; there are {', '.join(recipe['columns'])}")
    return (found,)


def _read(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, version: str, columns: Sequence[str], key: Sequence[str]
) -> None:
    """Makes the table version_rows: each row's texts, key, split and number."""
    splits: dict[str, list[str]] = {}
    for url in catalog.data_urls(version):
        splits.setdefault(PurePosixPath(url).name.rsplit("-", 3)[0], []).append(url)
    rows = " union all ".join(
        f"select *, {quote(split)} as split_ from {parquet_files.read(urls)}" for split, urls in splits.items()
    )
    types = {name: kind for name, kind, *_ in connection.execute(f"describe {rows}").fetchall()}
    for column in columns:
        if column not in types:
            raise NoTexts(f"there is no column {column!r}; the version has {', '.join(types)}")
    texts = texts_of(columns, [types[column] for column in columns], columns)
    keys = ", ".join(f"coalesce({column}::varchar, '') as {column}" for column in key)
    connection.execute(
        f"create temp table version_rows as select {texts} as texts, split_, {keys}, row_number() over () as number "
        f"from ({rows})"
    )


def _keys(connection: duckdb.DuckDBPyConnection, key: Sequence[str], numbers: np.ndarray) -> list[tuple[str, ...]]:
    connection.register("numbers_near", pa.table({"number": numbers}))
    return connection.execute(
        f"select split_, {', '.join(key)} from version_rows semi join numbers_near using (number) order by all"
    ).fetchall()


def contamination_text(name: str, version: str, file: Path, found: Contamination, *, rows: int) -> str:
    """Counts by split, and the keys of as many rows as asked for; nothing that anybody wrote."""
    of = f"{', '.join(found.columns)} of {name} {version} against {found.texts:,} texts of {file.name}"
    counts = table(["split", "rows", "near"], [[split, n, found.near[split]] for split, n in found.rows.items()])
    text = f"{of}\n\n{counts}"
    if found.found and rows:
        text += "\n\n" + table(["split", *found.key], found.found[:rows])
        if len(found.found) > rows:
            text += f"\n({len(found.found) - rows:,} more)"
    return text
