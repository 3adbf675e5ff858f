"""Publishing partitions in order: each is gated by itself, and the first that fails stops it and all later.

A snapshot as of a partition holds all earlier ones, so nothing may be published past a partition whose
gate failed, in this run or an earlier one.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import duckdb

from expectations.report import GateReport
from orchestration.lib.candidate import Candidate, candidate, keep_fingerprints
from orchestration.lib.catalog import FAILED, PASSED, WITHDRAWN, Catalog, PartitionRecord
from orchestration.lib.clean_rows import with_contamination
from orchestration.lib.delta import Changes
from orchestration.lib.duck import BESIDE
from orchestration.lib.erasure.plan import days_to_publish
from orchestration.lib.gates import Gates, first_failure
from orchestration.lib.ledger_files import LedgerFiles
from orchestration.lib.publish import Staging, clear_staging
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.every import DAY, snapshot_day
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import beside


@dataclass(frozen=True)
class Published:
    """What a partition came to: the version that holds its snapshot, and what is new in it."""

    candidate: Candidate
    changes: Changes | None


@dataclass
class Publication:
    """The result of a run: what was published, every gate's report, and the partition that stopped it."""

    published: dict[date, Published] = field(default_factory=dict)
    reports: dict[date, list[GateReport]] = field(default_factory=dict)
    stopped_at: date | None = None
    withheld: list[date] = field(default_factory=list)

    def sentence(self, recipe: Recipe) -> str:
        """Why publication stopped: partition, gate, expectation, what was seen, what to do."""
        failure = first_failure(self.reports[self.stopped_at]) if self.stopped_at else None
        if failure is None or self.stopped_at is None:
            return f"dataset {recipe.name}: every partition passed its gates"
        withheld = f" Withheld with it: {self.withheld[0]} to {self.withheld[-1]}." if self.withheld else ""
        return (
            f"partition {self.stopped_at} of dataset {recipe.name} is not published: "
            f"{failure.summary()}.{withheld} Look at marts.dead_letter, marts.feedback_status and "
            f"marts.partition_profile, mend the day's landing files or the threshold, and run the range again."
        )


def partitions_to_gate(
    *, asked: Sequence[date], recorded: dict[date, PartitionRecord], built: Collection[date]
) -> list[date]:
    """The asked partitions, and all before them that did not pass yet, in order."""
    unpassed = {day for day in built if day <= max(asked) and (day not in recorded or recorded[day].gate != PASSED)}
    return sorted(unpassed | set(asked))


def publish_partitions(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    recipe: Recipe,
    asked: Sequence[date],
    gates: Gates,
    *,
    ledger_files: LedgerFiles,
    tell: Callable[[str], None],
) -> Publication:
    """Gates and publishes partitions in order; stops at the first that fails. The caller holds the lock, and what all
    datasets of a run share: a connection to the warehouse, the gates, the ledger's files.

    Where an asked partition came out with other rows than it was published with, the later ones that are
    published hold those rows, too, and follow.
    """
    catalog = Catalog(settings, recipe.name)
    clear_staging(settings, recipe, catalog)
    recorded = catalog.partitions()
    asked = sorted({*asked, *days_to_publish(settings, recorded)})
    # What another run has loaded and not built yet has no rows to be gated.
    to_gate = partitions_to_gate(asked=asked, recorded=recorded, built=_built_days(connection))
    later = sorted(day for day, record in recorded.items() if day > max(asked) and record.gate in (PASSED, WITHDRAWN))
    publication = Publication()
    publisher = _Publisher(connection, settings, recipe, catalog, gates, ledger_files, publication, tell)
    if not publisher.publish_in_order(to_gate):
        publication.withheld = [day for day in asked if day > (publication.stopped_at or day)]
        catalog.note_successors()
        return publication
    before = {day: record.version for day, record in recorded.items()}
    now = {day: published.candidate.version for day, published in publication.published.items()}
    # What a day changed in a week is seen at the week's end only.
    if later and (recipe.every != DAY or any(now[day] != before.get(day) for day in now)):
        publisher.publish_in_order(later)
    catalog.note_successors()
    return publication


def _built_days(connection: duckdb.DuckDBPyConnection) -> set[date]:
    return {
        day for (day,) in connection.execute("select partition_date from intermediate.int_built_partitions").fetchall()
    }


@dataclass(frozen=True)
class _Publisher:
    """Adds the partitions of one dataset to `publication`. What does not depend on the day is here once for all."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    recipe: Recipe
    catalog: Catalog
    gates: Gates
    ledger_files: LedgerFiles
    publication: Publication
    tell: Callable[[str], None]

    def publish_in_order(self, days: Sequence[date]) -> bool:
        """False at the first that a gate stopped."""
        below = self.gates.below_datasets(days)
        for day in days:
            self.publication.reports[day] = below[day]
            made = self._publish_one(day) if first_failure(below[day]) is None else None
            if made is None:
                self.publication.stopped_at = day
                self.catalog.record(day, PartitionRecord(_version_of(self.catalog, day), FAILED))
                return False
            if made.candidate.is_new:
                self.tell(f"{self.recipe.name} {day}: published {made.candidate.version}, {made.candidate.rows:,} rows")
        return True

    def _publish_one(self, day: date) -> Published | None:
        """Publishes one partition whose other gates passed; None if its dataset gate failed."""
        week = self.publication.published.get(snapshot_day(self.recipe.every, day))
        if week:
            # Made in this run, and a partition of the same week has the same rows.
            made: Published | None = Published(replace(week.candidate, is_new=False), None)
        else:
            with beside(self.connection) as own:
                try:
                    made = self._make(own, day)
                finally:
                    # Memory is for the next one.
                    own.execute(f"detach database if exists {BESIDE}")
        if made is not None:
            self.catalog.record(day, PartitionRecord(made.candidate.version, PASSED))
            self.publication.published[day] = made
        return made

    def _make(self, connection: duckdb.DuckDBPyConnection, day: date) -> Published | None:
        settings, recipe, reports = self.settings, self.recipe, self.publication.reports
        made = candidate(connection, settings, recipe, self.catalog, day)
        changes = None
        if made.is_new:
            with Staging(settings, recipe, self.catalog, made, self.ledger_files) as staging:
                staging.write(connection)
                report = self.gates.dataset(recipe, made.day, rows_query=staging.rows_query, rows=made.rows)
                reports[day] = [*reports[day], with_contamination(connection, recipe, report)]
                if first_failure(reports[day]):
                    return None
                manifest = staging.publish(connection, gates=reports[day])
                changes = Changes(**manifest["changes"])
        keep_fingerprints(connection, settings, recipe, made)
        return Published(made, changes)


def _version_of(catalog: Catalog, day: date) -> str | None:
    record = catalog.partitions().get(day)
    return record.version if record else None
