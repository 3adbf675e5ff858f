"""The one job: every asset and check of a partition or a range. Schedule, sensor and CLI launch it."""

import dagster as dg

from orchestration.lib.names import ATTRIBUTION_JOB, HOURS_GROUP, LIVE_VIEW, RETENTION

attribution_job = dg.define_asset_job(
    ATTRIBUTION_JOB,
    # Retention goes by the clock and not by partitions, and has a job of its own. So have hours: what is not loaded of
    # them, a day's asset loads. The live view is nobody's partition.
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.assets(RETENTION)
    - dg.AssetSelection.groups(HOURS_GROUP)
    - dg.AssetSelection.checks_for_assets(LIVE_VIEW),
    description="Landing to published datasets, for one received date or a range of them.",
)
