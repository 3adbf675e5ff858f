"""The platform's partitions definitions: received dates in UTC, today's included; loading may go by their hours."""

import dagster as dg

from orchestration.lib.partitions import FORMAT, HOUR_FORMAT
from orchestration.lib.settings import Settings

# Today is a partition, too: files land in it all day, and whoever wants may build it before it closes.
daily_partitions = dg.DailyPartitionsDefinition(
    start_date=Settings.from_env().first_day.isoformat(), fmt=FORMAT, timezone="UTC", end_offset=1
)

# Where FEEDBACK_LOADING_PARTITIONS is hourly. The hour that goes on is a partition, as today is.
hourly_partitions = dg.HourlyPartitionsDefinition(
    start_date=f"{Settings.from_env().first_day.isoformat()}-00:00", fmt=HOUR_FORMAT, timezone="UTC", end_offset=1
)

# A range is one run, set-based over its days and gated day by day (DESIGN decision 3). Stated on every
# asset, because @asset and @dbt_assets have different defaults and a mixture publishes past a failed gate.
one_run_a_range = dg.BackfillPolicy.single_run()

# Hours are loaded side by side, and no hour rests on another; nothing is gated or published there.
one_run_an_hour = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)

OWNERS = ["team:feedback-platform"]
