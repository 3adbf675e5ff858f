"""Running suites where the data is: one in-memory DuckDB with the files attached, one GX data source on it.

What is not here: what to expect (the suite modules), where the data lies (whoever opens a session).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb

from expectations.attach import attach_read_only
from expectations.gx_runtime import COUNTS_ONLY, import_gx, new_context, silenced
from expectations.outcomes import outcome_of, report_of, spoken_error
from expectations.report import MAX_EXAMPLES, ExpectationOutcome, GateReport
from expectations.rules import CURE, EXAMPLES_SQL, FINDINGS_SQL, OTHERWISE, SHARE_SQL
from expectations.together import (
    Asked,
    Counts,
    counts_query,
    counts_suite,
    divided,
    outcomes_where_all_hold,
    rows_query,
    rows_suite,
)

if TYPE_CHECKING:
    import great_expectations as gx

# The view under test. Temporary views are found first, whatever a setup statement made the default.
_BATCH = "gate_batch"
# A failure's words are one line in a log: more findings than this are only counted.
_NAMED_FINDINGS = 3
_NOTHING_ATTACHED: Mapping[str, Path] = MappingProxyType({})


class GateError(RuntimeError):
    """A suite could not be run at all; which is no verdict about the data."""


class GateSession:
    """Validates any number of views in one DuckDB. Use it as a context manager and keep it short: while it
    is open, no other process can write the attached files; once closed, none of them is held.
    """

    def __init__(
        self,
        *,
        attach: Mapping[str, Path] = _NOTHING_ATTACHED,
        attach_options: Sequence[str] = (),
        prepare: Callable[[duckdb.DuckDBPyConnection], None] = lambda _: None,
        setup: Sequence[str] = (),
        data_docs_dir: Path | None = None,
        lock_timeout_seconds: float = 60.0,
    ) -> None:
        """`attach` maps names to DuckDB files, opened read-only with `attach_options`; `prepare` is called before that,
        `setup` are statements run after it.
        """
        self._attach, self._attach_options, self._prepare = dict(attach), tuple(attach_options), prepare
        self._setup = tuple(setup)
        self._data_docs_dir = data_docs_dir
        self._lock_timeout_seconds = lock_timeout_seconds
        self._open = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._context: Any = None
        self._datasource: Any = None
        self._started_at = datetime.now(UTC)

    def __enter__(self) -> Self:
        # Before a file is held: the import takes seconds.
        import_gx()
        with ExitStack() as until_ready:
            connection = until_ready.enter_context(duckdb.connect())
            connection.execute("set TimeZone = 'UTC'")
            self._prepare(connection)
            for alias, path in self._attach.items():
                attach_read_only(
                    connection,
                    alias=alias,
                    path=path,
                    options=self._attach_options,
                    timeout_seconds=self._lock_timeout_seconds,
                )
            for statement in self._setup:
                connection.execute(statement)
            with silenced():
                self._context = new_context(data_docs_dir=self._data_docs_dir)
                self._datasource = _datasource(self._context, connection)
            self._connection = connection
            self._open = until_ready.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection = self._datasource = None
        self._open.close()

    def validate(
        self, *, gate: str, asset_name: str, partition: str, query: str, suite: "gx.ExpectationSuite"
    ) -> GateReport:
        """Holds the rows of `query` against `suite`, whose expectations come from `rules`.

        Raises GateError where the query can not be run. An expectation that can not be evaluated, for want
        of its column for instance, is one that failed.
        """
        if self._connection is None:
            raise GateError("the session is not open; validate inside its with block")
        self._connection.execute(f"create or replace temp view {_BATCH} as {query}")
        with silenced():
            result = self._run(asset_name=asset_name, suite=suite)
        outcomes = [self._outcome(single) for single in result.results]
        report = report_of(gate, partition, suite, outcomes)
        if self._data_docs_dir is not None:
            from expectations.data_docs import keep_for_docs

            keep_for_docs(
                self._context,
                result,
                report=report,
                outcomes=outcomes,
                asset_name=asset_name,
                started_at=self._started_at,
            )
        return report

    def validate_each(self, *, gate: str, asset_name: str, asked: Sequence[Asked]) -> list[GateReport]:
        """The reports that `validate` has of each partition, from as few questions as tell them.

        What has pages is asked by itself: Great Expectations' own results are on them.
        """
        if self._data_docs_dir is None and len(asked) > 1 and all(one.can_be_together for one in asked):
            if reports := self._validate_together(gate, asset_name, asked):
                return reports
            parts = divided(asked)
            return [r for part in parts for r in self.validate_each(gate=gate, asset_name=asset_name, asked=part)]
        return [
            self.validate(gate=gate, asset_name=asset_name, partition=one.partition, query=one.query, suite=one.suite)
            for one in asked
        ]

    def _validate_together(self, gate: str, asset_name: str, asked: Sequence[Asked]) -> list[GateReport] | None:
        """Their reports if all of their suites hold; None if any does not, or they can not be asked together."""
        if len({one.alike for one in asked}) > 1:
            return None
        try:
            counts = [self._counts(one) for one in asked]
            if len({tuple(counted.columns) for counted in counts}) > 1:
                return None
            batches = [(rows_query(asked), rows_suite(asked)), (counts_query(asked, counts), counts_suite())]
            for query, suite in batches:
                told = self.validate(gate=gate, asset_name=asset_name, partition="together", query=query, suite=suite)
                if not all(outcome.success for outcome in told.outcomes):
                    return None
        except (duckdb.Error, GateError):
            # Which of them can not be read is told by asking each.
            return None
        return [
            GateReport(gate=gate, partition=one.partition, outcomes=outcomes_where_all_hold(one, counted))
            for one, counted in zip(asked, counts, strict=True)
        ]

    def _counts(self, asked: Asked) -> Counts:
        assert self._connection is not None
        batch = f"({asked.query})"
        columns = [row[0] for row in self._connection.execute(f"describe {asked.query}").fetchall()]
        shares = [e.meta[SHARE_SQL] for e in asked.suite.expectations if SHARE_SQL in e.meta]
        queries = [f"select count(*), 0 from {batch}", *(share.format(batch=batch) for share in shares)]
        (rows, _), *found = [self._connection.execute(query).fetchall()[0] for query in queries]
        return Counts(columns=columns, rows=rows, shares=dict(zip(shares, found, strict=True)))

    def build_data_docs(self) -> Path | None:
        """The index of pages about all validations of this session, or None without a folder for them."""
        if self._data_docs_dir is None or self._context is None:
            return None
        from expectations.data_docs import build_data_docs

        return build_data_docs(self._context, self._data_docs_dir)

    def _run(self, *, asset_name: str, suite: "gx.ExpectationSuite") -> Any:
        assert self._connection is not None
        failure = None
        try:
            self._connection.execute(f"select 1 from {_BATCH} limit 1")
        except duckdb.Error as error:
            failure = spoken_error(f"{type(error).__name__}: {error}")
        if failure:
            # Raised out here, without a context: the original error quotes the value that DuckDB stumbled over.
            raise GateError(f"the query of {asset_name} fails; {failure}")
        # Great Expectations writes all that it knows out whenever an asset is added: only pages need one with a name.
        name = _BATCH if self._data_docs_dir is None else asset_name
        if name not in self._datasource.get_asset_names():
            self._datasource.add_table_asset(name=name, table_name=_BATCH)
        asset = self._datasource.get_asset(name)
        return asset.get_batch(asset.build_batch_request()).validate(suite, result_format=COUNTS_ONLY)

    def _outcome(self, single: Any) -> ExpectationOutcome:
        meta = single.expectation_config.meta
        counted = [row for row in self._rows(meta.get(SHARE_SQL, "")) if None not in row.values()]
        return outcome_of(
            single,
            share=(counted[0]["part"], counted[0]["whole"]) if counted else None,
            examples=() if single.success else self._rows(meta.get(EXAMPLES_SQL, "")),
            found=self._found(single),
        )

    def _found(self, single: Any) -> str | None:
        """The findings of a rule in words, and what to do about them."""
        meta = single.expectation_config.meta
        if FINDINGS_SQL not in meta:
            return None
        findings = [str(row["finding"]) for row in self._rows(meta[FINDINGS_SQL])]
        if not findings:
            return str(meta[OTHERWISE])
        more = (single.result.get("observed_value") or 0) - _NAMED_FINDINGS
        named = "; ".join(findings[:_NAMED_FINDINGS]) + (f"; and {more} more" if more > 0 else "")
        return f"{named}; {meta[CURE]}" if meta[CURE] else named

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        assert self._connection is not None
        if not sql:
            return []
        try:
            cursor = self._connection.execute(f"{sql.format(batch=_BATCH)} limit {MAX_EXAMPLES}")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except duckdb.Error:
            # The expectation failed for the same cause, and its outcome tells it.
            return []


def _datasource(context: Any, connection: duckdb.DuckDBPyConnection) -> Any:
    from sqlalchemy.pool import StaticPool

    from expectations.duckdb_dialect import GATE_URL, BorrowedConnection

    borrowed = BorrowedConnection(connection)
    return context.data_sources.add_sql(
        name="gate", connection_string=GATE_URL, kwargs={"poolclass": StaticPool, "creator": lambda: borrowed}
    )
