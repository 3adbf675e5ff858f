"""The gates of a partition: which Great Expectations suite is asked about which rows, and where they are.

What the suites expect is in `expectations/`; when they are asked, and what follows, in `defs/`. Great
Expectations takes 8 s to import, so nothing here imports it before the first suite is asked.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from expectations import recent_past
from expectations.recent_past import Profile, ProfileRow
from expectations.report import MAX_FINDINGS, GateReport
from expectations.thresholds import load_thresholds
from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.lib import encryption, parquet_files
from orchestration.lib.duck import memory_settings
from orchestration.lib.erasure.tombstones import ERASED
from orchestration.lib.ledger import ledger_path, schema_version_of
from orchestration.lib.ledger_sql import ledger_columns
from orchestration.lib.recipe import Recipe
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from orchestration.lib.warehouse import ALIAS, read_warehouse

if TYPE_CHECKING:
    from expectations.session import GateSession

LEDGER_GATE = "ledger_gate"
ATTRIBUTION_GATE = "attribution_gate"
DATASET_GATE = "dataset_gate"
# What this process was told, by all that it rests on: a day is asked about by the attribution's check, by the datasets
# and by those with feature attributions, of one warehouse.
_TOLD: dict[tuple[Hashable, ...], list[GateReport]] = {}
# Gates stay open while versions are made: what they count needs little, and both would have the whole of it.
_MEMORY = 0.25


class Gates:
    """Asks the suites about one partition after the other, over one connection."""

    def __init__(self, settings: Settings, session: "GateSession", *, is_shown: bool = False) -> None:
        """`is_shown` says that the session has pages, and so has to be told everything itself."""
        self._settings = settings
        self._session = session
        self._thresholds = load_thresholds(settings.thresholds)
        self._below: dict[date, list[GateReport]] = {}
        # Of files elsewhere it can not be seen that they have changed.
        self._shares = Store(settings.ledger_url).is_local and not is_shown

    def ledger(self, stream: Stream, day: date, *, lines_received: int) -> GateReport:
        """The ledger's file of a stream and day: its schema, its keys, the share of dead letters. Of erased lines there
        is nothing to be asked: they count in nothing.
        """
        from expectations import ledger

        path = Store(self._settings.ledger_url).full(ledger_path(stream.name, day))
        # A day that was not loaded since has the columns of the schema version of its time.
        version = schema_version_of(self._settings, stream, day)
        return self._session.validate(
            gate=f"{LEDGER_GATE} on {stream.asset_name}",
            asset_name=stream.asset_name,
            partition=day.isoformat(),
            query=f"select * from {parquet_files.read([path], options='hive_partitioning = true')} "
            f"where dead_letter_reason is distinct from '{ERASED}'",
            suite=ledger.build_suite(
                stream=stream.name,
                columns=[*ledger_columns(stream, version), "received_date"],
                lines_received=lines_received,
                thresholds=self._thresholds,
            ),
        )

    def attribution(self, day: date, *, matched: int, profile: Profile) -> list[GateReport]:
        """The partition's attributed rows, as many as matched, and its accounts as of the end of the day, by
        themselves and beside those of the days before.
        """
        from expectations import attributed_feedback, partition_quality

        return [
            self._session.validate(
                gate=f"{ATTRIBUTION_GATE} on attributed_feedback",
                asset_name="attributed_feedback",
                partition=day.isoformat(),
                query=f"select * from {ALIAS}.marts.attributed_feedback where attributed_date = date '{day}'",
                suite=attributed_feedback.build_suite(
                    window_days=self._settings.attribution_window_days,
                    earliest_lag_seconds=-60 * self._settings.early_tolerance_minutes,
                    expected_rows=matched,
                ),
            ),
            self._session.validate(
                gate=f"{ATTRIBUTION_GATE} on partition_quality",
                asset_name="partition_quality",
                partition=day.isoformat(),
                query=f"select * from {ALIAS}.marts.partition_quality where partition_date = date '{day}'",
                suite=partition_quality.build_suite(thresholds=self._thresholds),
            ),
            self._recent_past(day, profile),
        ]

    def _recent_past(self, day: date, profile: Profile) -> GateReport:
        comparisons = recent_past.compare(day, profile, self._thresholds)
        report = self._session.validate(
            gate=f"{ATTRIBUTION_GATE} on partition_profile",
            asset_name="partition_profile",
            partition=day.isoformat(),
            query=recent_past.query_of(comparisons),
            suite=recent_past.build_suite(day=day, comparisons=comparisons, thresholds=self._thresholds),
        )
        return replace(report, findings=tuple(c.finding for c in comparisons if c.verdict)[:MAX_FINDINGS])

    def dataset(self, recipe: Recipe, day: date, *, rows_query: str, rows: int) -> GateReport:
        """The staged rows of a version, before anybody can see them."""
        from expectations import dataset

        return self._session.validate(
            gate=f"{DATASET_GATE} on {recipe.name}",
            asset_name=f"{recipe.name}_dataset",
            partition=day.isoformat(),
            query=rows_query,
            suite=dataset.build_suite(
                name=recipe.name,
                columns=list(recipe.columns),
                expected_rows=rows,
                partition=day,
                key=recipe.row_key,
                has_silence=recipe.has_silence,
                # A window may pass over quiet days, and all of a queue may be labelled; a gate that fails for it would
                # hold back all later ones.
                may_be_empty=recipe.window_days is not None or recipe.asks_for_feedback,
            ),
        )

    def below_datasets(self, days: Sequence[date]) -> dict[date, list[GateReport]]:
        """Every gate below the datasets, asked once for all of them. A day without lines passes and costs nothing."""
        new = [day for day in days if day not in self._below]
        if new:
            reports = self.attribution_of(new)
            for day, lines in self._lines_received(new).items():
                if any(lines.values()):
                    reports[day] = self._told(LEDGER_GATE, day, partial(self._ledgers, day, lines)) + reports[day]
            self._below |= reports
        return {day: self._below[day] for day in days}

    def _ledgers(self, day: date, lines: dict[str, int]) -> list[GateReport]:
        return [self.ledger(stream, day, lines_received=lines[stream.name]) for stream in (INFERENCES, FEEDBACK)]

    def attribution_of(self, days: Sequence[date]) -> dict[date, list[GateReport]]:
        """The attribution gate of the days that have anything to be asked about."""
        lines = self._lines_received(days)
        with read_warehouse(self._settings) as connection:
            matched = dict(
                connection.execute(
                    "select attributed_date, count(*) from intermediate.int_feedback_attributions "
                    "where attributed_date between ? and ? group by all",
                    [min(days), max(days)],
                ).fetchall()
            )
        profile = self._profile(days)

        def ask(day: date) -> list[GateReport]:
            return self.attribution(day, matched=matched.get(day, 0), profile=profile)

        return {
            day: self._told(ATTRIBUTION_GATE, day, partial(ask, day))
            if any(lines.get(day, {}).values()) or day in matched
            else []
            for day in days
        }

    def _told(self, gate: str, day: date, ask: Callable[[], list[GateReport]]) -> list[GateReport]:
        """The reports of a gate on a day, asked again only where what they rest on has changed."""
        if not self._shares:
            return ask()
        ledger = Store(self._settings.ledger_url)
        files = [Path(ledger.full(ledger_path(stream.name, day))) for stream in (INFERENCES, FEEDBACK)]
        state = tuple(_state(path) for path in (self._settings.warehouse, self._settings.thresholds, *files))
        rests_on = (self._settings, gate, day, state)
        if rests_on not in _TOLD:
            for old in [old for old in _TOLD if old[-1][0] != state[0]]:  # type: ignore[index]
                del _TOLD[old]
            _TOLD[rests_on] = ask()
        return _TOLD[rests_on]

    def _profile(self, days: Sequence[date]) -> Profile:
        """The profile of the days and of the recent past of the first of them."""
        first = recent_past.history_from(min(days), self._thresholds.recent_past)
        with read_warehouse(self._settings) as connection:
            rows = connection.execute(
                "select partition_date, stream, dimension, value, part, whole from marts.partition_profile "
                "where partition_date between ? and ? order by all",
                [first, max(days)],
            ).fetchall()
        names = [field.name for field in fields(ProfileRow)]
        profile: dict[date, list[ProfileRow]] = {}
        for row in rows:
            profile.setdefault(row[0], []).append(ProfileRow(**dict(zip(names, row, strict=True))))
        return profile

    def _lines_received(self, days: Sequence[date]) -> dict[date, dict[str, int]]:
        with read_warehouse(self._settings) as connection:
            rows = connection.execute(
                "select partition_date, inference_lines, feedback_lines from marts.partition_quality "
                "where partition_date between ? and ? order by partition_date",
                [min(days), max(days)],
            ).fetchall()
        asked = set(days)
        return {d: {"inferences": inferences, "feedback": feedback} for d, inferences, feedback in rows if d in asked}


@contextmanager
def open_gates(
    settings: Settings, *, with_warehouse: bool, data_docs: str | None = None
) -> Iterator[tuple[Gates, "GateSession"]]:
    """The gates, with the warehouse attached where it is asked about; `data_docs` names the run's folder."""
    from expectations.session import GateSession

    folder: Path | None = settings.data_dir / "data_docs" / data_docs if data_docs and settings.data_docs else None
    attach = {ALIAS: settings.warehouse} if with_warehouse else {}
    with GateSession(
        attach=attach,
        attach_options=encryption.attach_options(settings),
        prepare=lambda connection: encryption.prepare(connection, settings),
        setup=memory_settings(settings, share=_MEMORY),
        data_docs_dir=folder,
    ) as session:
        yield Gates(settings, session, is_shown=folder is not None), session


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a file is written; nothing where there is none, as in a store that is no folder."""
    if not path.exists():
        return ()
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def first_failure(reports: Sequence[GateReport]) -> GateReport | None:
    return next((report for report in reports if not report.success), None)
