"""User ids of a chunk of lines as tokens, set-based: each id is hashed once, and put in its place by DuckDB.

A line that names one user in the plain way (`"user_id": "…"`, once) is done here; any other that names one is left to
Python, as is a line that has the id within a longer text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib.privacy.lines import SHORTEST_ID_IN_TEXT
from orchestration.lib.privacy.prefilter import HIDDEN, as_numpy
from orchestration.lib.privacy.pseudonyms import Pseudonyms

_FIELD = '"user_id"'
# What may stand between the field's name and its value, written by a machine.
_BETWEEN = (b':"', b': "')
_QUOTE = ord('"')


@dataclass(frozen=True)
class UserIds:
    """`ids`: of each line that is done here its user's id, null for the others. `one_by_one`: the lines for Python."""

    ids: pa.Array
    one_by_one: "np.ndarray[tuple[int], np.dtype[np.bool_]]"


def find(lines: pa.Array, fields: Sequence[tuple[str, ...]]) -> UserIds:
    """Where users are named in a chunk of lines."""
    names = sorted({field[0] for field in fields})
    named = sum((_times_named(lines, name) for name in names), start=np.zeros(len(lines), dtype=np.int64))
    hidden = as_numpy(pc.match_substring_regex(lines, HIDDEN))
    ids = _plain_ids(lines)
    is_plain = (named == 1) & ~hidden & as_numpy(pc.is_valid(ids)) & _is_utf8(lines)
    return UserIds(pc.if_else(pa.array(is_plain), ids, None), ((named > 0) | hidden) & ~is_plain)


def _times_named(lines: pa.Array, name: str) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """How often a line has the first name of a field; `user` is a word of every chat, so only as a field."""
    if name == "user":
        return as_numpy(pc.match_substring_regex(lines, r'"user\\?"\s*:')).astype(np.int64)
    counts: np.ndarray[tuple[int], np.dtype[np.int64]] = pc.count_substring(lines, name).to_numpy()
    return counts


def _plain_ids(lines: pa.Array) -> pa.Array:
    """The value after the field's name, where it is a string without escapes; found by its quotes."""
    data = np.frombuffer(lines.buffers()[2], dtype=np.uint8)
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    at = pc.find_substring(lines, _FIELD).to_numpy()
    after = offsets[:-1] + at + len(_FIELD)
    start = np.full(len(lines), -1, dtype=np.int64)
    for between in _BETWEEN:
        fits = (at >= 0) & (after + len(between) < offsets[1:])
        for place, byte in enumerate(between):
            fits &= data[np.minimum(after + place, len(data) - 1)] == byte
        start[fits] = after[fits] + len(between)
    quotes = np.flatnonzero(data == _QUOTE)
    end = np.append(quotes, len(data))[np.searchsorted(quotes, start)]
    found = (start >= 0) & (end > start) & (end < offsets[1:])
    ids = [bytes(data[s:e]) if ok else None for s, e, ok in zip(start, end, found, strict=True)]
    return pa.array([None if one is None or b"\\" in one else one for one in ids], pa.binary())


def replaced(lines: pa.Array, users: UserIds, pseudonyms: Pseudonyms) -> tuple[pa.Array, dict[str, str]]:
    """The lines with their plain ids as tokens, and the tokens; lines with the id in a text are marked for Python."""
    of_line = users.ids.dictionary_encode()
    tokens_of = {one: pseudonyms.stored(one) for one in of_line.dictionary.cast(pa.string()).to_pylist()}
    if not tokens_of:
        return lines, {}
    tokens = pa.array(tokens_of.values(), pa.string())
    is_done = as_numpy(pc.is_valid(users.ids))
    chunk = pa.table(
        {
            "line": lines.filter(pa.array(is_done)).cast(pa.string()),
            "id": users.ids.drop_null().cast(pa.string()),
            "token": tokens.take(of_line.indices.drop_null()),
        }
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("chunk", chunk)
        rows = connection.execute(_REPLACE).to_arrow_table()
    users.one_by_one[is_done] |= as_numpy(rows["is_in_text"])
    done = rows["line"].combine_chunks().cast(pa.binary())
    return pc.replace_with_mask(lines, pa.array(is_done), done), tokens_of


# A shorter id is a word of half the texts: of it only exact values are replaced.
_REPLACE = f"""
    select replaced as line, length(id) >= {SHORTEST_ID_IN_TEXT} and contains(replaced, id) as is_in_text
    from (select replace(line, '"' || id || '"', '"' || token || '"') as replaced, id from chunk)
"""


def _is_utf8(lines: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    try:
        lines.cast(pa.string())
    except pa.ArrowInvalid:
        return np.array([_decodes(line) for line in lines.to_pylist()])
    return np.ones(len(lines), dtype=bool)


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
