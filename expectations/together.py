"""Asking one suite about many partitions at once, with the report that each would have by itself. No I/O.

A suite of Great Expectations costs a seventh of a second of Python whatever it is asked about, and a range has several
a day. A rule that no row may break holds in every partition where it holds in all of them together: it is asked once,
about the partitions' rows one below the other. What is counted of a partition, its rows and its shares, is a row of a
second batch (`counts_query`). Where all of that holds, so does each partition's suite, and what is said of it follows
from its counts. Where anything does not, fewer partitions are asked together, down to one by itself: only then is there
something to be found, and examples to be shown.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from expectations.gx_runtime import import_gx
from expectations.outcomes import UNEXPECTED_ROWS, outcome_of
from expectations.report import ExpectationOutcome
from expectations.rules import AT_MOST, FINDINGS_SQL, OTHERWISE, SHARE_SQL, RowRules

if TYPE_CHECKING:
    import great_expectations as gx

ROW_COUNT = "expect_table_row_count_to_equal"
COLUMNS = ("expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list")
UNIQUE = "expect_column_values_to_be_unique"
OF_VALUES = (
    UNIQUE,
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
)
# Into how many parts partitions are divided that do not pass together: of thirty, one that is alone in failing is found
# by ten questions, and if all fail they are a third more than thirty.
_PARTS = 4


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The rows of a partition and the suite that is asked about them."""

    partition: str
    query: str
    suite: "gx.ExpectationSuite"

    @property
    def alike(self) -> tuple[Any, ...]:
        """What suites have to have in common that are asked together."""
        return tuple((kind_of(e), repr(e.configuration.kwargs)) for e in self.suite.expectations if not is_counted(e))

    @property
    def can_be_together(self) -> bool:
        known = (ROW_COUNT, *COLUMNS, *OF_VALUES, UNEXPECTED_ROWS)
        return all(kind_of(e) in known for e in self.suite.expectations) and any(
            map(is_counted, self.suite.expectations)
        )


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What is counted of a partition: its columns, its rows, and for each share, by its SQL, the part and the whole."""

    columns: Sequence[str]
    rows: int
    shares: Mapping[str, tuple[int, int]]


def kind_of(expectation: Any) -> str:
    return str(expectation.expectation_type)


def is_counted(expectation: Any) -> bool:
    """Whether it is no rule about rows, but about how many there are."""
    return SHARE_SQL in expectation.meta or kind_of(expectation) == ROW_COUNT


def divided(asked: Sequence[Asked]) -> Iterator[Sequence[Asked]]:
    size = math.ceil(len(asked) / _PARTS)
    for start in range(0, len(asked), size):
        yield asked[start : start + size]


def rows_query(asked: Sequence[Asked]) -> str:
    """The rows of all partitions; they have the same columns."""
    return " union all ".join(f"select * from ({one.query})" for one in asked)


def rows_suite(asked: Sequence[Asked]) -> "gx.ExpectationSuite":
    rules = [expectation for expectation in asked[0].suite.expectations if not is_counted(expectation)]
    return import_gx().ExpectationSuite(name=f"{asked[0].suite.name}_together", expectations=rules)


def counts_query(asked: Sequence[Asked], counts: Sequence[Counts]) -> str:
    """A row for each number of a partition, and whether it is another than it has to be, or too big a share."""
    rows = []
    for one, counted in zip(asked, counts, strict=True):
        for expectation in one.suite.expectations:
            if SHARE_SQL in expectation.meta:
                part, whole = counted.shares[expectation.meta[SHARE_SQL]]
                rows.append(f"({part}, {part} > {expectation.meta[AT_MOST]} * {whole})")
            elif kind_of(expectation) == ROW_COUNT:
                rows.append(f"({counted.rows}, {counted.rows} <> {expectation.value})")
    return f"select * from (values {', '.join(rows)}) as counted(number, is_wrong)"


def counts_suite() -> "gx.ExpectationSuite":
    rule = RowRules().no_row("every count is what it has to be", where="is_wrong")
    return import_gx().ExpectationSuite(name="counts_together", expectations=[rule])


def outcomes_where_all_hold(asked: Asked, counts: Counts) -> tuple[ExpectationOutcome, ...]:
    """What each expectation of a partition would have said."""
    return tuple(_held(expectation, counts) for expectation in asked.suite.expectations)


def _held(expectation: Any, counts: Counts) -> ExpectationOutcome:
    kind, meta = kind_of(expectation), expectation.meta
    observed: dict[str, Any] = {"observed_value": 0}
    if kind == ROW_COUNT:
        observed = {"observed_value": counts.rows}
    elif kind in COLUMNS:
        observed = {"observed_value": list(counts.columns)}
    elif kind in OF_VALUES:
        # Of no rows Great Expectations' sum is null.
        observed = {"element_count": counts.rows, "unexpected_count": 0 if counts.rows or kind == UNIQUE else None}
    result = SimpleNamespace(
        expectation_config=expectation.configuration, success=True, result=observed, exception_info=None
    )
    share = counts.shares[meta[SHARE_SQL]] if SHARE_SQL in meta else None
    found = str(meta[OTHERWISE]) if FINDINGS_SQL in meta else None
    return outcome_of(result, share=share, examples=(), found=found)
