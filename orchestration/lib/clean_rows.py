"""The rows of a recipe's source without those that are almost others, or near texts that are held out.

What is left out is counted on the connection, for manifest, card and gate.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from expectations.report import ExpectationOutcome, GateReport
from orchestration.lib.held_out_texts import rows_near_held_out
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.held_out import FAIL, LEAVE_OUT, HeldOut
from orchestration.lib.recipe.near_duplicates import TOGETHER, NearDuplicates
from orchestration.lib.row_texts import add_texts, scratch_of, text_of, texts_of
from orchestration.lib.similarity.near import NONE, earlier_near
from orchestration.lib.similarity.shingles import Texts
from orchestration.lib.similarity.words import Numbers
from orchestration.lib.store import file_sha256

# The rows that are left, and how many are not: by reason and, for held-out texts, by file.
CLEAN = "clean_rows"
LEFT_OUT = "rows_left_out"
NEAR_DUPLICATES, HELD_OUT = "near_duplicates", "held_out"
_EXAMPLES = 3


def is_compared(recipe: Recipe) -> bool:
    """Whether the recipe's rows are compared with anything."""
    return recipe.near_duplicates is not None or recipe.held_out is not None


def clean_rows(connection: duckdb.DuckDBPyConnection, recipe: Recipe, rows: str, split: str | None) -> str:
    """SQL for the recipe's rows among `rows` that are not left out; they are a table of the connection.

    `rows` is SQL for the source's, `split` for the split of one of them.
    """
    connection.execute(
        f"create or replace temp table {LEFT_OUT} (reason varchar, file varchar, rows bigint, examples varchar[][])"
    )
    connection.execute(
        f"create or replace temp table {CLEAN} as select source.* from ({rows}) as source where ({recipe.where})"
    )
    if recipe.held_out:
        _hold_out(connection, recipe, recipe.held_out)
    if recipe.near_duplicates:
        _leave_out_near_duplicates(connection, recipe, recipe.near_duplicates, split)
    return f"from {CLEAN}"


def _hold_out(connection: duckdb.DuckDBPyConnection, recipe: Recipe, held_out: HeldOut) -> None:
    files = held_out.paths()
    found = rows_near_held_out(
        connection,
        f"select unnest({_text(connection, recipe, held_out.against, texts_of)}), rowid from {CLEAN} as source",
        files,
        of=held_out.of,
        similarity=held_out.similarity,
        shingle=held_out.shingle,
    )
    for number, name in enumerate(files):
        of_file = found.rows[found.files == number]
        connection.execute(
            f"insert into {LEFT_OUT} values (?, ?, ?, ?)",
            [HELD_OUT, name, len(of_file), _first_keys(connection, recipe, of_file)],
        )
    if held_out.action == LEAVE_OUT:
        _delete(connection, found.rows)


def _leave_out_near_duplicates(
    connection: duckdb.DuckDBPyConnection, recipe: Recipe, near: NearDuplicates, split: str | None
) -> None:
    texts = Texts(near.similarity, near.shingle, scratch_of(connection))
    names = list(recipe.split.shares) if recipe.split else []
    label = f"list_position({names!r}, {split})" if near.keep == TOGETHER else "0"
    numbers, labels = add_texts(
        connection,
        texts,
        f"select {_text(connection, recipe, near.of, text_of)}, rowid, {label} from {CLEAN} as source",
        numbers=2,
    )
    order = _places(numbers)[_in_order(connection, recipe)]
    found = earlier_near(texts, order, labels if near.keep == TOGETHER else None)
    left_out = numbers[found != NONE]
    connection.execute(f"insert into {LEFT_OUT} values (?, '', ?, [])", [NEAR_DUPLICATES, len(left_out)])
    _delete(connection, left_out)


def _value(recipe: Recipe, column: str) -> str:
    return f"({recipe.values[column]})" if column in recipe.values else f"source.{column}"


def _text(
    connection: duckdb.DuckDBPyConnection, recipe: Recipe, columns: tuple[str, ...], read: Callable[..., str]
) -> str:
    values = [_value(recipe, column) for column in columns]
    types = connection.execute(f"describe select {', '.join(values)} from {CLEAN} as source").fetchall()
    return read(values, [kind for _, kind, *_ in types], columns)


def _in_order(connection: duckdb.DuckDBPyConnection, recipe: Recipe) -> Numbers:
    """The rows' numbers in the order in which they became known: no later day puts a row before another."""
    by = ", ".join(_value(recipe, column) for column in ("attributed_date", *recipe.row_key))
    found = connection.execute(f"select rowid from {CLEAN} as source order by {by}").to_arrow_table()
    return np.asarray(found.column(0).to_numpy(), np.int64)


def _places(numbers: Numbers) -> Numbers:
    """Where each of the rows' numbers stands among them."""
    places = np.empty(int(numbers.max(initial=-1)) + 1, np.int64)
    places[numbers] = np.arange(len(numbers))
    return places


def _delete(connection: duckdb.DuckDBPyConnection, numbers: Numbers) -> None:
    connection.register("numbers_left_out", pa.table({"number": numbers}))
    connection.execute(f"delete from {CLEAN} where rowid in (select number from numbers_left_out)")
    connection.unregister("numbers_left_out")


def _first_keys(connection: duckdb.DuckDBPyConnection, recipe: Recipe, numbers: Numbers) -> list[list[str]]:
    """The feedback and the request of the first few of the rows."""
    if not len(numbers):
        return []
    connection.register("numbers_left_out", pa.table({"number": numbers}))
    by = ", ".join(_value(recipe, column) for column in ("attributed_date", *recipe.row_key))
    found = connection.execute(
        f"""
        select {_value(recipe, "feedback_id")}, {_value(recipe, "request_id")} from {CLEAN} as source
        where rowid in (select number from numbers_left_out) order by {by} limit {_EXAMPLES}
        """
    ).fetchall()
    connection.unregister("numbers_left_out")
    return [[str(part or "") for part in row] for row in found]


def left_out(connection: duckdb.DuckDBPyConnection, recipe: Recipe) -> dict[str, Any]:
    """What the manifest tells of it: rows by reason, those near held-out texts by file."""
    if not is_compared(recipe):
        return {}
    found = connection.execute(f"select reason, file, rows from {LEFT_OUT} order by reason, file").fetchall()
    told: dict[str, Any] = {}
    for reason, file, rows in found:
        if reason == HELD_OUT:
            told.setdefault(HELD_OUT, {})[file] = rows
        else:
            told[reason] = rows
    return {"left_out": told}


def held_out_files(recipe: Recipe) -> dict[str, Any]:
    """What the rows follow from beside recipe and settings: the sha256 of each held-out file."""
    if recipe.held_out is None:
        return {}
    return {"held_out_files": {name: file_sha256(path) for name, path in recipe.held_out.paths().items()}}


def with_contamination(connection: duckdb.DuckDBPyConnection, recipe: Recipe, report: GateReport) -> GateReport:
    """The dataset's gate with what it expects of a recipe that fails on rows near held-out texts."""
    if recipe.held_out is None or recipe.held_out.action != FAIL:
        return report
    found = connection.execute(
        f"select file, rows, examples from {LEFT_OUT} where reason = '{HELD_OUT}' order by file"
    ).fetchall()
    near = {file: rows for file, rows, _ in found if rows}
    examples = [
        {"feedback_id": feedback, "request_id": request, "reason": file}
        for file, _, of_file in found
        for feedback, request in of_file
    ]
    counts = ", ".join(f"{rows:,} near {file}" for file, rows in near.items())
    outcome = ExpectationOutcome(
        expectation="no row is near a held-out text",
        success=not near,
        observed=f"{counts}; leave them out with held_out.action: {LEAVE_OUT}" if near else "none",
        unexpected_count=sum(near.values()),
        examples=tuple(examples[:_EXAMPLES]),
    )
    return replace(report, outcomes=(*report.outcomes, outcome))
