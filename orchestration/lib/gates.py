"""The gates of a partition: which Great Expectations suite is asked about which rows, and where they are.

What the suites expect is in `expectations/`; when they are asked, and what follows, in `defs/`. Great
Expectations takes 8 s to import, so nothing here imports it before the first suite is asked.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from expectations import recent_past
from expectations.recent_past import Profile, ProfileRow
from expectations.report import MAX_FINDINGS, GateReport
from expectations.thresholds import load_thresholds
from expectations.together import Asked
from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.lib import encryption
from orchestration.lib.duck import memory_settings
from orchestration.lib.erasure.tombstones import ERASED
from orchestration.lib.gate_answers import answers, answers_of_now, state_of
from orchestration.lib.ledger import rows_of_files, schema_version_of
from orchestration.lib.ledger_parts import full_paths
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
# Gates stay open while versions are made: what they count needs little, and both would have the whole of it.
_MEMORY = 0.25


class Gates:
    """Asks the suites about partitions, over one connection."""

    def __init__(self, settings: Settings, session: "GateSession", *, is_shown: bool = False) -> None:
        """`is_shown` says that the session has pages, and so has to be told everything itself."""
        self._settings = settings
        self._session = session
        self._thresholds = load_thresholds(settings.thresholds)
        self._below: dict[date, list[GateReport]] = {}
        # Of files elsewhere it can not be seen that they have changed.
        shares = Store(settings.ledger_url).is_local and not is_shown
        self._answers = partial(answers, settings) if shares else answers_of_now

    def ledger(self, stream: Stream, lines_received: Mapping[date, int]) -> dict[date, GateReport]:
        """The ledger's files of a stream and some days: their schema, their keys, the share of dead letters. Of erased
        lines there is nothing to be asked: they count in nothing.
        """
        from expectations import ledger

        def asked(day: date) -> Asked:
            paths = full_paths(Store(self._settings.ledger_url), stream.name, [day])
            # A day that was not loaded since has the columns of the schema version of its time.
            version = schema_version_of(self._settings, paths)
            return Asked(
                partition=day.isoformat(),
                query=f"select * from {rows_of_files(self._settings, paths)} "
                f"where dead_letter_reason is distinct from '{ERASED}'",
                suite=ledger.build_suite(
                    stream=stream.name,
                    columns=[*ledger_columns(stream, version), "received_date"],
                    lines_received=lines_received[day],
                    thresholds=self._thresholds,
                ),
            )

        def rests_on(day: date) -> Hashable:
            paths = full_paths(Store(self._settings.ledger_url), stream.name, [day])
            return lines_received[day], *(state_of(Path(path)) for path in paths), state_of(self._settings.thresholds)

        def ask(days: Sequence[date]) -> dict[date, list[GateReport]]:
            return _by_day(days, self._ask(f"{LEDGER_GATE} on {stream.asset_name}", stream.asset_name, days, asked))

        told = self._answers(f"{LEDGER_GATE} {stream.name}", sorted(lines_received), rests_on, ask)
        return {day: report for day, (report,) in told.items()}

    def _ask(
        self, gate: str, asset_name: str, days: Sequence[date], asked: Callable[[date], Asked]
    ) -> list[GateReport]:
        return self._session.validate_each(gate=gate, asset_name=asset_name, asked=[asked(day) for day in days])

    def _attribution(self, days: Sequence[date], built: "_Built") -> dict[date, list[GateReport]]:
        """The partitions' attributed rows, as many as matched, and their accounts as of the end of the day, by
        themselves and beside those of the days before them.
        """
        from expectations import attributed_feedback, partition_quality

        def rows(day: date) -> Asked:
            return Asked(
                partition=day.isoformat(),
                query=f"select * from {ALIAS}.marts.attributed_feedback where attributed_date = date '{day}'",
                suite=attributed_feedback.build_suite(
                    window_days=self._settings.attribution_window_days,
                    earliest_lag_seconds=-60 * self._settings.early_tolerance_minutes,
                    expected_rows=built.matched.get(day, 0),
                ),
            )

        def accounts(day: date) -> Asked:
            return Asked(
                partition=day.isoformat(),
                query=f"select * from {ALIAS}.marts.partition_quality where partition_date = date '{day}'",
                suite=partition_quality.build_suite(thresholds=self._thresholds),
            )

        return _by_day(
            days,
            self._ask(f"{ATTRIBUTION_GATE} on attributed_feedback", "attributed_feedback", days, rows),
            self._ask(f"{ATTRIBUTION_GATE} on partition_quality", "partition_quality", days, accounts),
            self._recent_past(days, built.profile),
        )

    def _recent_past(self, days: Sequence[date], profile: Profile) -> list[GateReport]:
        comparisons = {day: recent_past.compare(day, profile, self._thresholds) for day in days}

        def asked(day: date) -> Asked:
            return Asked(
                partition=day.isoformat(),
                query=recent_past.query_of(comparisons[day]),
                suite=recent_past.build_suite(day=day, comparisons=comparisons[day], thresholds=self._thresholds),
            )

        reports = self._ask(f"{ATTRIBUTION_GATE} on partition_profile", "partition_profile", days, asked)
        return [
            replace(report, findings=tuple(c.finding for c in comparisons[day] if c.verdict)[:MAX_FINDINGS])
            for day, report in zip(days, reports, strict=True)
        ]

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
            built = self._built(new)
            reports = self._attribution_of(new, built)
            lines = {day: of_day for day, of_day in built.lines.items() if any(of_day.values())}
            ledgers = [
                self.ledger(stream, {day: of_day[stream.name] for day, of_day in lines.items()})
                for stream in (INFERENCES, FEEDBACK)
            ]
            self._below |= {
                day: [of_stream[day] for of_stream in ledgers if day in of_stream] + reports[day] for day in new
            }
        return {day: self._below[day] for day in days}

    def attribution_of(self, days: Sequence[date]) -> dict[date, list[GateReport]]:
        """The attribution gate of the days that have anything to be asked about."""
        return self._attribution_of(days, self._built(days))

    def _attribution_of(self, days: Sequence[date], built: "_Built") -> dict[date, list[GateReport]]:
        with_lines = [day for day in days if any(built.lines.get(day, {}).values()) or day in built.matched]
        state = state_of(self._settings.warehouse), state_of(self._settings.thresholds)
        told = self._answers(
            ATTRIBUTION_GATE, with_lines, lambda _: state, lambda asked: self._attribution(asked, built)
        )
        return {day: told.get(day, []) for day in days}

    def _built(self, days: Sequence[date]) -> "_Built":
        """What the warehouse has of the days, and of the recent past of the first of them."""
        first, last = recent_past.history_from(min(days), self._thresholds.recent_past), max(days)
        with read_warehouse(self._settings) as connection:
            lines = connection.execute(
                "select partition_date, inference_lines, feedback_lines from marts.partition_quality "
                "where partition_date between ? and ? order by partition_date",
                [min(days), last],
            ).fetchall()
            matched = connection.execute(
                "select attributed_date, count(*) from intermediate.int_feedback_attributions "
                "where attributed_date between ? and ? group by all",
                [min(days), last],
            ).fetchall()
            rows = connection.execute(
                "select partition_date, stream, dimension, value, part, whole from marts.partition_profile "
                "where partition_date between ? and ? order by all",
                [first, last],
            ).fetchall()
        asked, names = set(days), [field.name for field in fields(ProfileRow)]
        profile: dict[date, list[ProfileRow]] = {}
        for row in rows:
            profile.setdefault(row[0], []).append(ProfileRow(**dict(zip(names, row, strict=True))))
        return _Built(
            {day: {INFERENCES.name: asks, FEEDBACK.name: says} for day, asks, says in lines if day in asked},
            dict(matched),
            profile,
        )


@dataclass(frozen=True)
class _Built:
    """Of each day the lines by stream, and how many pairs were matched; the profile of the days and those before."""

    lines: Mapping[date, Mapping[str, int]]
    matched: Mapping[date, int]
    profile: Profile


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


def _by_day(days: Sequence[date], *reports: Sequence[GateReport]) -> dict[date, list[GateReport]]:
    """Reports that are in the order of the days, by day."""
    return {day: list(of_day) for day, *of_day in zip(days, *reports, strict=True)}


def first_failure(reports: Sequence[GateReport]) -> GateReport | None:
    return next((report for report in reports if not report.success), None)
