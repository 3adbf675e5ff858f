"""The texts of rows, read in bulk: from columns that hold texts, chat messages, or JSON that is either."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np

from orchestration.lib.field_sql import quote
from orchestration.lib.similarity.shingles import Texts
from orchestration.lib.similarity.words import Numbers

_MESSAGE = '[{"role":"VARCHAR","content":"VARCHAR"}]'
_ROWS_AT_ONCE = 8192


class NoTexts(ValueError):
    """A column holds something else, or is not there."""


def text_of(columns: Sequence[str], types: Sequence[str], names: Sequence[str]) -> str:
    """SQL for what is written in columns (expressions) as one text, lower case; null where there is nothing.

    Raises NoTexts, with the column's name, for one that holds no text.
    """
    texts = ", ".join(_text(*column) for column in zip(columns, types, names, strict=True))
    # The forms of Unicode are one text; nullif, since no text is like another for being empty.
    return f"lower(nfc_normalize(nullif(concat_ws(chr(10), {texts}), '')))"


def texts_of(columns: Sequence[str], types: Sequence[str], names: Sequence[str]) -> str:
    """SQL for the list of what a row says: all of it as one text, and each chat message by itself. Raises NoTexts.

    A held-out question that is one turn of a long conversation is not near the whole of it.
    """
    messages = [
        f"list_transform({_said(column)}, lambda m: lower(nfc_normalize(nullif(m.content::varchar, ''))))"
        for column, kind in zip(columns, types, strict=True)
        if _is_messages(kind)
    ]
    whole = f"[{text_of(columns, types, names)}]"
    for of_column in messages:
        whole = f"list_concat({whole}, {of_column})"
    return f"list_distinct({whole})"


def _is_messages(kind: str) -> bool:
    return kind.startswith("STRUCT(") and kind.endswith("[]") and "content" in kind


def _text(column: str, kind: str, name: str) -> str:
    if kind == "VARCHAR":
        return column
    if kind == "JSON":
        listed = f"json_transform({column}, {quote(_MESSAGE)})"
        return f"case json_type({column}) when 'ARRAY' then {_written(listed)} else ({column}) ->> '$' end"
    if _is_messages(kind):
        return _written(column)
    raise NoTexts(f"column {name!r} is of type {kind}, and holds neither texts nor chat messages; name one that does")


def _written(messages: str) -> str:
    """What was said in chat messages. A system prompt is left out: it would make all rows of an application alike."""
    return f"array_to_string(list_transform({_said(messages)}, lambda m: m.content::varchar), chr(10))"


def _said(messages: str) -> str:
    return f"list_filter({messages}, lambda m: coalesce(m.role, '') not in ('system', 'developer'))"


def add_texts(connection: duckdb.DuckDBPyConnection, texts: Texts, query: str, *, numbers: int = 0) -> list[Numbers]:
    """Adds the first column of a query to `texts`; returns the others, which are so many columns of numbers."""
    parts: list[list[Numbers]] = [[np.empty(0, np.int64)] for _ in range(numbers)]
    for batch in connection.execute(query).to_arrow_reader(_ROWS_AT_ONCE):
        texts.add(batch.column(0))
        for part, column in zip(parts, batch.columns[1:], strict=True):
            part.append(column.to_numpy(zero_copy_only=False).astype(np.int64))
    return [np.concatenate(part) for part in parts]


def scratch_of(connection: duckdb.DuckDBPyConnection) -> Path | None:
    """Where the connection spills what does not fit in memory."""
    row = connection.execute("select current_setting('temp_directory')").fetchone()
    folder = Path(row[0]) if row and row[0] else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_query(connection: duckdb.DuckDBPyConnection, path: Path, column: str | None) -> tuple[str, str]:
    """SQL for the texts of a Parquet or JSONL file, and the column that has them. Raises NoTexts.

    Without a column the file must have one only that may hold texts.
    """
    if path.name.endswith(".parquet"):
        relation = f"read_parquet({quote(str(path))})"
    else:
        relation = f"read_ndjson_objects({quote(str(path))})"
    try:
        if path.name.endswith(".parquet"):
            kinds = {row[0]: row[1] for row in connection.execute(f"describe from {relation}").fetchall()}
        else:
            keys = f"select distinct unnest(json_keys(json)) as name from {relation} order by name"
            kinds = {row[0]: "JSON" for row in connection.execute(keys).fetchall()}
    except duckdb.Error as error:
        raise NoTexts(f"{path} can not be read: {str(error).splitlines()[0]}") from None
    column = next(iter(kinds)) if column is None and len(kinds) == 1 else column
    if column is None or column not in kinds:
        asked = "say which column has the texts" if column is None else f"there is no column {column!r}"
        raise NoTexts(f"{path}: {asked}; the file has {', '.join(kinds) or 'none'}")
    name = '"' + column.replace('"', '""') + '"'
    value = name if path.name.endswith(".parquet") else f"json -> {quote('$.' + name)}"
    return f"select {text_of([value], [kinds[column]], [column])} from {relation}", column
