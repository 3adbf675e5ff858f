"""The one job: every asset and check of a partition or a range. Schedule, sensor and CLI launch it."""

import dagster as dg

from orchestration.lib.names import ATTRIBUTION_JOB

attribution_job = dg.define_asset_job(
    ATTRIBUTION_JOB,
    selection=dg.AssetSelection.all(),
    description="Landing to published datasets, for one received date or a range of them.",
)
