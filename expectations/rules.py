"""How this package words an expectation: a Great Expectations class, a sentence and where to find examples.

Core expectations where one fits: GX counts all of a suite's in one pass over the data. SQL for the rest,
as `UnexpectedRowsExpectation` (its `{batch}` stands for the rows under test; it must hold no JOIN and give
`{batch}` no alias). Not used: compound uniqueness, whose SQL names every column of the table and breaks
on one called `at`, and regular expressions, which refuse the dialect.

A rule leaves what the session makes an outcome from in the expectation's `meta`: `sentence`;
`examples_sql`, the rows at fault by their id columns, in a fixed order; `share_sql`, one row with `part` and
`whole`, and `at_most`, the share that it may be; or `findings_sql`, the findings at fault in words, with
`otherwise` for when there are none and `cure` for when there are. The queries are run by the session itself,
examples only after a failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from expectations.gx_runtime import import_gx

SENTENCE = "sentence"
EXAMPLES_SQL = "examples_sql"
SHARE_SQL = "share_sql"
AT_MOST = "at_most"
FINDINGS_SQL = "findings_sql"
OTHERWISE = "otherwise"
CURE = "cure"


def columns_are(columns: Sequence[str], *, in_order: bool = False) -> Any:
    """Exactly these columns."""
    expectations = import_gx().expectations
    if in_order:
        return expectations.ExpectTableColumnsToMatchOrderedList(
            column_list=list(columns), **_words("columns are as declared, in order")
        )
    return expectations.ExpectTableColumnsToMatchSet(
        column_set=list(columns), exact_match=True, **_words("columns are as declared")
    )


def row_count_is(count: int, *, sentence: str) -> Any:
    return import_gx().expectations.ExpectTableRowCountToEqual(value=count, **_words(sentence))


def has_rows() -> Any:
    return import_gx().expectations.ExpectTableRowCountToBeBetween(min_value=1, **_words("there are rows"))


@dataclass(frozen=True)
class RowRules:
    """Rules about rows. `ids` are the columns by which an example names its row."""

    ids: tuple[str, ...] = ()

    def not_null(self, column: str) -> Any:
        return import_gx().expectations.ExpectColumnValuesToNotBeNull(
            column=column, **self._row_words(f"{column} is never null", where=f"{column} is null")
        )

    def unique(self, column: str) -> Any:
        repeated = f"select {column} from {{batch}} group by {column} having count(*) > 1"
        return import_gx().expectations.ExpectColumnValuesToBeUnique(
            column=column, **self._row_words(f"{column} is unique", where=f"{column} in ({repeated})")
        )

    def between(self, column: str, low: float, high: float) -> Any:
        """Null is allowed."""
        return import_gx().expectations.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=low,
            max_value=high,
            **self._row_words(
                f"{column} is between {low:g} and {high:g}", where=f"{column} not between {low!r} and {high!r}"
            ),
        )

    def in_set(self, column: str, values: Sequence[str]) -> Any:
        """Null is allowed."""
        listed = ", ".join(text_literal(value) for value in values)
        return import_gx().expectations.ExpectColumnValuesToBeInSet(
            column=column,
            value_set=list(values),
            **self._row_words(f"{column} is one of its values", where=f"{column} not in ({listed})"),
        )

    def no_row(self, sentence: str, *, where: str) -> Any:
        """No row for which the condition holds. Mind nulls: a condition that is null is none that holds."""
        return _unexpected_rows(
            query=f"select {', '.join(self.ids) or '1'} from {{batch}} where {where}",
            **self._row_words(sentence, where=where),
        )

    def unique_together(self, columns: Sequence[str]) -> Any:
        keys = ", ".join(columns)
        query = f"select {keys} from {{batch}} group by {keys} having count(*) > 1"
        return _unexpected_rows(
            query=query, **_words(f"{' and '.join(columns)} are unique together", examples=f"{query} order by {keys}")
        )

    def _row_words(self, sentence: str, *, where: str) -> dict[str, Any]:
        if not self.ids:
            return _words(sentence)
        ids = ", ".join(self.ids)
        return _words(sentence, examples=f"select {ids} from {{batch}} where {where} order by {ids}")


def share_at_most(sentence: str, *, at_most: float, part: str, whole: str, rows: str, examples: str = "") -> Any:
    """`part` of `whole` (two SQL aggregates or columns) is at most a share; `rows` selects what is then at fault.

    Counted exactly: 0.2 as a decimal, not as the nearest binary fraction, and nothing is divided, so that
    a whole of 0 passes. A count that is null fails.
    """
    limit = f"{Decimal(str(at_most)):f}"
    expectation = _unexpected_rows(
        query=f"{rows} (select coalesce({part} > {limit} * {whole}, true) from {{batch}})",
        **_words(sentence, examples=examples, share=f"select {part} as part, {whole} as whole from {{batch}}"),
    )
    expectation.meta |= {AT_MOST: limit}
    return expectation


def no_finding(sentence: str, *, where: str, block: bool, otherwise: str, cure: str = "") -> Any:
    """No row, which has a `finding` in words and a `surprise`, for which the condition holds.

    Where `block` is false the expectation is a warning to Great Expectations, and so it is to the gate.
    """
    expectation = _unexpected_rows(
        query=f"select surprise from {{batch}} where {where}",
        severity="critical" if block else "warning",
        **_words(sentence),
    )
    expectation.meta |= {
        FINDINGS_SQL: f"select finding from {{batch}} where {where} order by surprise desc, finding",
        OTHERWISE: otherwise,
        CURE: cure,
    }
    return expectation


def percent(share: float) -> str:
    """0.2 as `20 %`."""
    return f"{Decimal(str(share)) * 100:f}".rstrip("0").rstrip(".") + " %" if share else "0 %"


def _unexpected_rows(*, query: str, **words: Any) -> Any:
    return import_gx().expectations.UnexpectedRowsExpectation(unexpected_rows_query=query, **words)


def _words(sentence: str, *, examples: str = "", share: str = "") -> dict[str, Any]:
    meta = {SENTENCE: sentence, EXAMPLES_SQL: examples, SHARE_SQL: share}
    # `description` is what Data Docs show instead of GX's own wording or the SQL.
    return {"description": sentence, "meta": {key: value for key, value in meta.items() if value}}


def text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
