"""How a run is told its range of partitions."""

from datetime import date, datetime

from orchestration.lib.partitions import HOUR_FORMAT

# Dagster's own tags for a single run over a range; its backfill daemon sets the same.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def range_tags(first: date, last: date) -> dict[str, str]:
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def hours_tags(first: datetime, last: datetime) -> dict[str, str]:
    return {RANGE_START: first.strftime(HOUR_FORMAT), RANGE_END: last.strftime(HOUR_FORMAT)}
