"""What stands for an erased line: `{"erased": "<erasure_id>"}` in landing files, a row of that reason in the ledger.

The line keeps its place, so that the lines after it keep their numbers. Lines of erased people that arrive later get
their tombstone when they are loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib.erasure.subjects import Subjects

ERASED = "erased"
ID = "er_[0-9a-f]{16}"
# SQL for the erasure of which a line is the tombstone, or null.
ERASURE_OF_TEXT = (
    f"case when starts_with(text, '{{\"{ERASED}\"') "
    f"then nullif(regexp_extract(text, '^\\{{\"{ERASED}\": ?\"({ID})\"\\}}\\s*$', 1), '') end"
)
_EVENT_TIME = ("inference_at", "feedback_at")
_KEPT = ("source_file", "source_line")


def tombstone(erasure_id: str) -> bytes:
    """A landing line without its newline."""
    return f'{{"{ERASED}": "{erasure_id}"}}'.encode()


@dataclass(frozen=True)
class Erased:
    """A completed erasure: its id, and up to when the person's events are erased."""

    erasure_id: str
    until: datetime


@dataclass(frozen=True)
class Late:
    """A line of an erased person that has just been loaded, and whose landing file still has it."""

    source_file: str
    source_line: int
    erasure_id: str


def forget(
    table: pa.Table, known: Mapping[str, Erased], subjects: Subjects, raw_ids: Mapping[str, str]
) -> tuple[pa.Table, list[Late]]:
    """The rows of a chunk with tombstones in place of erased people's, and which these are.

    `raw_ids` tells of which user's id a token was made.
    """
    if not known or "user_id" not in table.schema.names:
        return table, []
    whose = {
        user: known[subject]
        for user in pc.unique(table["user_id"]).to_pylist()
        if user is not None
        for subject in subjects.generations(raw_ids.get(user, user))
        if subject in known
    }
    if not whose:
        return table, []
    users = table["user_id"].to_pylist()
    times = next((table[name].to_pylist() for name in _EVENT_TIME if name in table.schema.names), [None] * len(users))
    ids = [
        whose[user].erasure_id if user in whose and (at is None or at <= whose[user].until) else None
        for user, at in zip(users, times, strict=True)
    ]
    late = [
        Late(file, line, of)
        for file, line, of in zip(table["source_file"].to_pylist(), table["source_line"].to_pylist(), ids, strict=True)
        if of is not None
    ]
    return entomb(table, pa.array(ids, pa.string())), late


def entomb(table: pa.Table, erasure_ids: pa.Array) -> pa.Table:
    """Rows with tombstones where there is an erasure's id, as the loader makes them of a landing file's."""
    is_erased = pc.is_valid(erasure_ids)
    columns = {}
    for name in table.schema.names:
        column = table[name].combine_chunks()
        if name in _KEPT:
            columns[name] = column
            continue
        of_tombstone: pa.Array | pa.Scalar = pa.scalar(None, column.type)
        if name == "dead_letter_reason":
            of_tombstone = pa.scalar(ERASED, column.type)
        elif name == "dead_letter_detail":
            of_tombstone = erasure_ids
        elif name == "feedback_id_is_derived":
            of_tombstone = pa.scalar(False, column.type)
        columns[name] = pc.if_else(is_erased, of_tombstone, column)
    return pa.table(columns, schema=table.schema)
