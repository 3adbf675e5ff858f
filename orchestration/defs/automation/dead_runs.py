"""The dead run sensor: frees the place in the queue that a run had whose process is gone."""

import dagster as dg

from orchestration.lib.instance import fail_dead_runs


@dg.sensor(
    minimum_interval_seconds=30,
    # It starts nothing, and without it one killed run would keep all later ones waiting.
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks runs as failed whose process is gone, so that those that wait for their place are started.",
)
def dead_run_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    told: list[str] = []
    fail_dead_runs(context.instance, tell=told.append)
    for sentence in told:
        context.log.warning(sentence)
    return dg.SkipReason("; ".join(told) or "every unfinished run has its process")
