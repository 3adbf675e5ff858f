"""User ids of a chunk of lines as tokens, set-based: each id is hashed once, and put in its place by where it stands.

A line that names one user in the plain way (`"user_id": "…"`, once) is done here; any other that names one is left to
Python, as is a line that has the id within a longer text.
"""

import re
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
# What JSON may write otherwise, in one place of a line and not in another, beside what is hidden in any line.
_OTHERWISE = r"[^\x20-\x7e]|[/&<>]"
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class UserIds:
    """Lines with their plain ids as tokens, and the tokens by id.

    `is_done`: the lines of which it is sure that no user's id is left in them. `one_by_one`: the lines for Python, as
    they landed; in the others, too, there is none.
    """

    lines: pa.Array
    tokens: dict[str, str]
    is_done: Mask
    one_by_one: Mask


def replaced(lines: pa.Array, fields: Sequence[tuple[str, ...]], pseudonyms: Pseudonyms, *, may_hide: Mask) -> UserIds:
    """The tokens of a chunk. `may_hide` tells the lines in which letters may be written as JSON escapes."""
    named = pc.count_substring_regex(lines, _naming(fields)).to_numpy()
    hidden = np.zeros(len(lines), dtype=bool)
    hidden[may_hide] = as_numpy(pc.match_substring_regex(lines.filter(pa.array(may_hide)), HIDDEN))
    start, end = _places(lines)
    ids = _cut(lines, start, end).take(pa.array(np.arange(1, 3 * len(lines), 3)))
    is_plain = (named == 1) & ~hidden & (end > start) & ~as_numpy(pc.match_substring(ids, "\\")) & _is_utf8(lines)
    one_by_one = ((named > 0) | hidden) & ~is_plain
    if not is_plain.any():
        return UserIds(lines, {}, is_plain, one_by_one)
    ids = ids.filter(pa.array(is_plain))
    encoded = ids.dictionary_encode()
    tokens = {one: pseudonyms.stored(one) for one in encoded.dictionary.cast(pa.string()).to_pylist()}
    of_line = pa.array(tokens.values(), pa.binary()).take(encoded.indices)
    new = _joined(_put(_cut(lines, start, end), is_plain, of_line))
    is_done = is_plain.copy()
    is_done[is_plain] = ~as_numpy(_is_again(new.filter(pa.array(is_plain)), ids))
    otherwise = as_numpy(pc.match_substring_regex(ids, _OTHERWISE))
    if otherwise.any():
        escaped = np.zeros(len(lines), dtype=bool)
        escaped[is_plain] = otherwise
        escaped &= as_numpy(pc.match_substring(lines, "\\"))
        is_done &= ~escaped
        one_by_one |= escaped
    again = is_plain & ~is_done
    if again.any():
        of_again = pa.array(again[is_plain])
        table = _replaced_everywhere(new.filter(pa.array(again)), ids.filter(of_again), of_line.filter(of_again))
        new = pc.replace_with_mask(new, pa.array(again), table["line"].combine_chunks().cast(pa.binary()))
        one_by_one[again] |= as_numpy(table["is_in_text"])
    return UserIds(new, tokens, is_done, one_by_one)


def _naming(fields: Sequence[tuple[str, ...]]) -> str:
    """RE2 for the first names of fields; `user` is a word of every chat, so only as a field. Where all begin alike, as
    the contract's do, it reads a gigabyte a second.
    """
    names = sorted({field[0] for field in fields})
    return "|".join(r'user\\?"\s*:' if name == "user" else re.escape(name) for name in names)


def _places(lines: pa.Array) -> "tuple[np.ndarray[tuple[int], np.dtype[np.int32]], ...]":
    """From where to where the value after the field's name stands in the bytes of all lines, if it is a string."""
    data = np.frombuffer(lines.buffers()[2], dtype=np.uint8)
    offsets = _offsets(lines)
    at = pc.find_substring(lines, _FIELD).to_numpy()
    after = offsets[:-1] + at + len(_FIELD)
    start = offsets[1:].copy()
    for between in _BETWEEN:
        fits = (at >= 0) & (after + len(between) < offsets[1:])
        for place, byte in enumerate(between):
            fits &= data[np.minimum(after + place, len(data) - 1)] == byte
        start[fits] = after[fits] + len(between)
    rests = pc.find_substring(_cut(lines, start), '"').to_numpy()[1::2]
    return start, start + np.maximum(rests, 0)


def _offsets(lines: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]


def _cut(lines: pa.Array, *places: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> pa.Array:
    """Each line in pieces, of the same bytes: what is before the first place, between them, and after the last."""
    offsets = _offsets(lines)
    cuts = np.append(np.column_stack((offsets[:-1], *places)), offsets[-1]).astype(np.int32)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(lines) * (len(places) + 1), [None, pa.py_buffer(cuts), lines.buffers()[2]]
    )


def _put(pieces: pa.Array, is_replaced: Mask, tokens: pa.Array) -> pa.Array:
    """Lines in three pieces with tokens for the middle one."""
    middle = np.zeros(len(pieces), dtype=bool)
    middle[1::3] = is_replaced
    return pc.replace_with_mask(pieces, pa.array(middle), tokens)


def _joined(pieces: pa.Array) -> pa.Array:
    """The lines of which these are the three pieces each: their bytes follow each other."""
    offsets = np.ascontiguousarray(_offsets(pieces)[::3])
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pieces.buffers()[2]]
    )


# A shorter id is a word of half the texts: of it only exact values are replaced.
_IS_AGAIN = f"""
    select contains(line, if(length(id) >= {SHORTEST_ID_IN_TEXT}, id, '"' || id || '"')) as is_again from chunk
"""
_EVERYWHERE = f"""
    select line, length(id) >= {SHORTEST_ID_IN_TEXT} and contains(line, id) as is_in_text
    from (select replace(line, '"' || id || '"', '"' || token || '"') as line, id from chunk)
"""


def _is_again(lines: pa.Array, ids: pa.Array) -> pa.Array:
    """Whether the id is in the line yet, whose field has the token."""
    return _asked(_IS_AGAIN, line=lines, id=ids)["is_again"]


def _replaced_everywhere(lines: pa.Array, ids: pa.Array, tokens: pa.Array) -> pa.Table:
    """The lines with tokens for all exact values, and whether the id is in a text yet."""
    return _asked(_EVERYWHERE, line=lines, id=ids, token=tokens)


def _asked(query: str, **columns: pa.Array) -> pa.Table:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("chunk", pa.table({name: of.cast(pa.string()) for name, of in columns.items()}))
        return connection.execute(query).to_arrow_table()


def _is_utf8(lines: pa.Array) -> Mask:
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
