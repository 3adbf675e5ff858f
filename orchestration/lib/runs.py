"""Running the job from the command line, as a Dagster run that the UI shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import dagster as dg

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import dbt
from orchestration.lib.instance import PROCESS_TAG, ensure_dagster_home, fail_dead_runs, open_instance, this_process
from orchestration.lib.landing import landed_days
from orchestration.lib.late_landings import late_landings
from orchestration.lib.ledger_metadata import whole_days
from orchestration.lib.names import ATTRIBUTION_JOB, LOADING_JOB
from orchestration.lib.partitions import days
from orchestration.lib.range_tags import hours_tags, range_tags
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the range that was run, its run id, and why it stopped, if it did."""

    first: date
    last: date
    run_id: str
    failure: str | None


def run_range(settings: Settings, first: date, last: date, *, tell: Callable[[str], None]) -> Outcome:
    """Materializes every asset for first..last, in this process, and tells progress."""
    last = _with_later_days(settings, first, last, tell)
    _tell_of_days_never_loaded(settings, first, tell)
    return run_job(settings, ATTRIBUTION_JOB, first, last, tell=tell)


def run_job(
    settings: Settings,
    name: str,
    first: date,
    last: date,
    *,
    only: Sequence[str] | None = None,
    tell: Callable[[str], None],
) -> Outcome:
    """Runs a job for first..last in this process, as a Dagster run that the UI shows; `only` some of its assets."""
    result = _execute(settings, name, tags=range_tags(first, last), only=only, tell=tell)
    return Outcome(first, last, result.run_id, None if result.success else _why(result))


def run_hours(settings: Settings, first: datetime, last: datetime, *, tell: Callable[[str], None]) -> str | None:
    """Loads the hours first..last in this process; returns why it stopped, if it did."""
    result = _execute(settings, LOADING_JOB, tags=hours_tags(first, last), only=None, tell=tell)
    return None if result.success else _why(result)


def run_once(settings: Settings, name: str, *, tell: Callable[[str], None]) -> str | None:
    """Runs a job that has no partitions in this process; returns why it stopped, if it did."""
    result = _execute(settings, name, tags={}, only=None, tell=tell)
    return None if result.success else _why(result)


def _execute(
    settings: Settings,
    name: str,
    *,
    tags: Mapping[str, str],
    only: Sequence[str] | None,
    tell: Callable[[str], None],
) -> dg.ExecuteInProcessResult:
    ensure_dagster_home(settings)
    dbt.set_environment(settings)
    # Loaded here and not above: it reads the settings and parses dbt where something has changed.
    from orchestration.definitions import defs

    job = defs().resolve_job_def(name)
    with open_instance() as instance:
        fail_dead_runs(instance, tell=tell)
        return job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(asset) for asset in only] if only else None,
            tags={**tags, PROCESS_TAG: this_process()},
            run_config={"loggers": {"console": {"config": {"log_level": "INFO"}}}},
        )


def _with_later_days(settings: Settings, first: date, last: date, tell: Callable[[str], None]) -> date:
    """The last day to run: later days that were built rest on the asked ones and follow their changes."""
    loaded = whole_days(settings, STREAMS[0])
    newest = max(loaded, default=last)
    if newest <= last:
        return last
    late = late_landings(settings, streams=STREAMS)
    changed = {d for d in (late.changed if late else ()) if first <= d <= last}
    changed |= {d for d in days(first, last) if d not in loaded}
    if not changed:
        return last
    tell(f"{min(changed)} has changed and the days up to {newest} rest on it: they are run again, too")
    return newest


def _tell_of_days_never_loaded(settings: Settings, first: date, tell: Callable[[str], None]) -> None:
    """Earlier days are not run unasked (there may be years of them), but who waits for them should know."""
    landing = Store(settings.landing_url)
    loaded = whole_days(settings, STREAMS[0])
    landed = {day for stream in STREAMS for day in landed_days(landing, stream.name)}
    missing = sorted(day for day in landed if settings.first_day <= day < first and day not in loaded)
    if missing:
        tell(
            f"{len(missing)} earlier days have landed files that no run has loaded: feedback on their inferences "
            f"stays pending until `attribution run --from {missing[0]} --to {missing[-1]}`"
        )


def _why(result: dg.ExecuteInProcessResult) -> str:
    """The reasons of the steps that failed, each in a sentence."""
    reasons = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else None
            cause = data.error.cause if data.error and data.error.cause else data.error
            reasons.append(said or f"step {event.step_key} failed: {cause.message.strip() if cause else 'unknown'}")
    return "\n".join(reasons) or "the run failed before any step; see the run in the UI"
