"""The late landing sensor: a file that lands in a day already built asks for that day and all after it."""

import hashlib

import dagster as dg

from orchestration.contracts.json_schema import STREAMS
from orchestration.defs.automation.jobs import attribution_job
from orchestration.defs.resources import PlatformResource
from orchestration.lib.late_landings import late_landings
from orchestration.lib.range_tags import range_tags


@dg.sensor(
    job=attribution_job,
    minimum_interval_seconds=60,
    description="Sees files that landed in a day after it was loaded; runs it and the later days again.",
)
def late_landing_sensor(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
    late = late_landings(platform.settings, streams=STREAMS)
    if late is None:
        return dg.SensorResult(skip_reason="no file has landed in a day that was loaded before")
    # The same files ask once: a run that fails at its gate must not be started again every minute.
    key = hashlib.sha256(f"{late.first}{late.last}{late.fingerprints}".encode()).hexdigest()
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key, tags=range_tags(late.first, late.last))])
