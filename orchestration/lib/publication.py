"""Publishing partitions in order: each is gated by itself, and the first that fails stops it and all later.

A snapshot as of a partition holds all earlier ones, so nothing may be published past a partition whose
gate failed, in this run or an earlier one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from expectations.report import GateReport
from orchestration.contracts.feedback import FEEDBACK
from orchestration.lib.candidate import Candidate, candidate, keep_fingerprints
from orchestration.lib.catalog import FAILED, PASSED, WITHDRAWN, Catalog, PartitionRecord
from orchestration.lib.clean_rows import with_contamination
from orchestration.lib.delta import Changes
from orchestration.lib.erasure.plan import days_to_publish
from orchestration.lib.gates import Gates, first_failure
from orchestration.lib.ledger import ledger_metadata
from orchestration.lib.publish import Staging, clear_staging
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.every import DAY, snapshot_day
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse


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
    *, asked: Sequence[date], recorded: dict[date, PartitionRecord], loaded: Sequence[date]
) -> list[date]:
    """The asked partitions, and all before them that did not pass yet, in order."""
    unpassed = {day for day in loaded if day <= max(asked) and (day not in recorded or recorded[day].gate != PASSED)}
    return sorted(unpassed | set(asked))


def publish_partitions(
    settings: Settings, recipe: Recipe, asked: Sequence[date], gates: Gates, *, tell: Callable[[str], None]
) -> Publication:
    """Gates and publishes partitions in order; stops at the first that fails. The caller holds the lock.

    Where an asked partition came out with other rows than it was published with, the later ones that are
    published hold those rows, too, and follow.
    """
    catalog = Catalog(settings, recipe.name)
    clear_staging(settings, recipe, catalog)
    recorded = catalog.partitions()
    asked = sorted({*asked, *days_to_publish(settings, recorded)})
    to_gate = partitions_to_gate(
        asked=asked, recorded=recorded, loaded=list(ledger_metadata(settings, FEEDBACK, "ledger_version"))
    )
    later = sorted(day for day, record in recorded.items() if day > max(asked) and record.gate in (PASSED, WITHDRAWN))
    publication = Publication()
    if not _publish_in_order(settings, recipe, catalog, gates, to_gate, publication, tell):
        publication.withheld = [day for day in asked if day > (publication.stopped_at or day)]
        catalog.note_successors()
        return publication
    before = {day: record.version for day, record in recorded.items()}
    now = {day: published.candidate.version for day, published in publication.published.items()}
    # What a day changed in a week is seen at the week's end only.
    if later and (recipe.every != DAY or any(now[day] != before.get(day) for day in now)):
        _publish_in_order(settings, recipe, catalog, gates, later, publication, tell)
    catalog.note_successors()
    return publication


def _publish_in_order(
    settings: Settings,
    recipe: Recipe,
    catalog: Catalog,
    gates: Gates,
    days: Sequence[date],
    publication: Publication,
    tell: Callable[[str], None],
) -> bool:
    """Adds each day to `publication`; False at the first that a gate stopped."""
    below = gates.below_datasets(days)
    for day in days:
        publication.reports[day] = below[day]
        made = None
        if first_failure(below[day]) is None:
            made = _publish_one(settings, recipe, catalog, gates, day, publication)
        if made is None:
            publication.stopped_at = day
            catalog.record(day, PartitionRecord(_version_of(catalog, day), FAILED))
            return False
        if made.candidate.is_new:
            tell(f"{recipe.name} {day}: published {made.candidate.version}, {made.candidate.rows:,} rows")
    return True


def _publish_one(
    settings: Settings, recipe: Recipe, catalog: Catalog, gates: Gates, day: date, publication: Publication
) -> Published | None:
    """Publishes one partition whose other gates passed; None if its dataset gate failed."""
    week = publication.published.get(snapshot_day(recipe.every, day))
    if week:
        # Made in this run, and a partition of the same week has the same rows.
        publication.published[day] = Published(replace(week.candidate, is_new=False), None)
        catalog.record(day, PartitionRecord(week.candidate.version, PASSED))
        return publication.published[day]
    with read_warehouse(settings) as connection:
        made = candidate(connection, settings, recipe, catalog, day)
        changes = None
        if made.is_new:
            with Staging(settings, recipe, catalog, made) as staging:
                staging.write(connection)
                report = gates.dataset(recipe, made.day, rows_query=staging.rows_query, rows=made.rows)
                report = with_contamination(connection, recipe, report)
                publication.reports[day] = [*publication.reports[day], report]
                if not report.success:
                    return None
                manifest = staging.publish(connection, gates=publication.reports[day])
                changes = Changes(**manifest["changes"])
        keep_fingerprints(connection, settings, recipe, made)
    catalog.record(day, PartitionRecord(made.version, PASSED))
    publication.published[day] = Published(made, changes)
    return publication.published[day]


def _version_of(catalog: Catalog, day: date) -> str | None:
    record = catalog.partitions().get(day)
    return record.version if record else None
