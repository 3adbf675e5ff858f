"""The one partitions definition of the platform: received dates in UTC, today's included."""

import dagster as dg

from orchestration.lib.partitions import FORMAT
from orchestration.lib.settings import Settings

# Today is a partition, too: files land in it all day, and whoever wants may build it before it closes.
daily_partitions = dg.DailyPartitionsDefinition(
    start_date=Settings.from_env().first_day.isoformat(), fmt=FORMAT, timezone="UTC", end_offset=1
)

# A range is one run, set-based over its days and gated day by day (DESIGN decision 3). Stated on every
# asset, because @asset and @dbt_assets have different defaults and a mixture publishes past a failed gate.
one_run_a_range = dg.BackfillPolicy.single_run()

OWNERS = ["team:feedback-platform"]
