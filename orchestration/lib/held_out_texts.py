"""Which rows are near a text that was held out, such as an evaluation's; of a snapshot, or of any version."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from orchestration.lib.row_texts import add_texts, file_query, scratch_of
from orchestration.lib.similarity.near import NONE, earlier_near
from orchestration.lib.similarity.shingles import Texts
from orchestration.lib.similarity.words import Numbers


@dataclass(frozen=True)
class NearHeldOut:
    """Rows by their numbers, and for each the file whose text it is near, by its place among the files."""

    rows: Numbers
    files: Numbers
    texts: int


def rows_near_held_out(
    connection: duckdb.DuckDBPyConnection,
    rows_query: str,
    files: Mapping[str, Path],
    *,
    of: str | None,
    similarity: float,
    shingle: int,
) -> NearHeldOut:
    """`rows_query` has each row's texts, one a line, and its number. A row near texts of several files counts for one.

    Raises NoTexts for a file that has no such column.
    """
    texts = Texts(similarity, shingle, scratch_of(connection))
    ends = []
    for path in files.values():
        query, _ = file_query(connection, path, of)
        add_texts(connection, texts, query)
        ends.append(texts.number)
    held_out = texts.number
    (numbers,) = add_texts(connection, texts, rows_query, numbers=1)
    # Held-out texts come first and are in nobody's way but the rows'.
    labels = (np.arange(texts.number) >= held_out).astype(np.int64)
    found = earlier_near(texts, np.arange(texts.number), labels)[held_out:]
    near, first = np.unique(numbers[found != NONE], return_index=True)
    files_near = np.searchsorted(np.array(ends), found[found != NONE][first], side="right")
    return NearHeldOut(near, files_near, held_out)
