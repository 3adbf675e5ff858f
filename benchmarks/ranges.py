"""A backfill of some days as one range beside one run a day, in two data folders with the same landing files.

Both are `attribution run` in processes of their own, as a user does it; what comes out has to be the same: every file
of every dataset to the byte, every mart row for row. Told are seconds and CPU seconds of both, by Dagster's step as
well; what is in no step is the start (imports, dbt's project, Dagster's bookkeeping) and the end.

Thirty runs take half an hour. With `--timed N` only so many days, evenly spread, have a run of their own; those between
are run as ranges, and a run a day is reckoned as so many times the mean of the timed ones. What comes out is compared
all the same.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.arrivals import days_before, write_day
from benchmarks.growing_history import link_landing
from benchmarks.runs import Cost, CpuClock, keep_result, run_range, step_times, working_folder
from orchestration.lib.store import file_sha256

LAST_DAY = date(2024, 6, 30)
RESULT = Path(__file__).parent / "results" / "ranges.json"
# When runs were done: no two have the same.
RUN_TIMES = ("feedback_stage_times", "feedback_loop_latency")
OUTSIDE = "outside of steps"


def run_timed(
    data_dir: Path, first: date, last: date, *, memory_limit: str
) -> tuple[Cost, dict[str, dict[str, float]]]:
    """One run, and what each of its steps took: seconds and CPU seconds."""
    clock = CpuClock()
    cost = run_range(data_dir, first, last, memory_limit=memory_limit, clock=clock)
    steps = {
        name: {"seconds": end - start, "cpu_seconds": clock.used_by(end) - clock.used_by(start)}
        for name, (start, end) in step_times(data_dir).items()
    }
    whole = {"seconds": cost.seconds, "cpu_seconds": cost.cpu_seconds}
    steps[OUTSIDE] = {kind: whole[kind] - sum(step[kind] for step in steps.values()) for kind in whole}
    return cost, steps


def told_of(costs: Sequence[Cost], steps: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Runs together, the dearest step first."""
    summed = {
        name: {kind: round(sum(of_run[name][kind] for of_run in steps if name in of_run), 1) for kind in of_step}
        for name, of_step in steps[-1].items()
    }
    return {
        "seconds": round(sum(cost.seconds for cost in costs), 1),
        "cpu_seconds": round(sum(cost.cpu_seconds for cost in costs), 1),
        "peak_memory_gib": round(max(cost.peak_gib for cost in costs), 2),
        "steps": dict(sorted(summed.items(), key=lambda item: -item[1]["cpu_seconds"])),
    }


def spans(days: Sequence[date], timed: int) -> list[list[date]]:
    """The days cut so that so many of them, the first and the last among them, stand by themselves."""
    alone = {days[round(n * (len(days) - 1) / max(timed - 1, 1))] for n in range(timed)}
    cut: list[list[date]] = []
    for day in days:
        if day in alone or not cut or cut[-1][-1] in alone:
            cut.append([])
        cut[-1].append(day)
    return cut


def files_of(folder: Path) -> dict[str, str]:
    """Path to sha256 of every file below a folder."""
    return {str(f.relative_to(folder)): file_sha256(f) for f in sorted(folder.rglob("*")) if f.is_file()}


def marts_that_differ(one: Path, other: Path) -> list[str]:
    """The marts whose rows are not the same in two warehouses, each as often as it is there."""
    with ExitStack() as open_ones:
        connections = []
        for path in (one, other):
            connection = open_ones.enter_context(duckdb.connect())
            connection.execute("set TimeZone = 'UTC'")
            # Views name their database.
            connection.execute(f"attach '{path}' as warehouse (read_only)")
            connection.execute("use warehouse")
            connections.append(connection)
        asked = "select table_name from information_schema.tables where table_schema = 'marts'"
        names = [{name for (name,) in of.execute(asked).fetchall()} - {*RUN_TIMES} for of in connections]
        differ = names[0] ^ names[1]
        for name in names[0] & names[1]:
            rows = [of.execute(f"from marts.{name} order by all").to_arrow_table() for of in connections]
            if not rows[0].equals(rows[1]):
                differ.add(name)
        return sorted(differ)


def measure(root: Path, given: argparse.Namespace) -> dict[str, Any]:
    days = [*days_before(LAST_DAY, given.days - 1), LAST_DAY]
    for day in days:
        # Without days before the first, its feedback would be about nothing.
        write_day(
            root,
            day,
            first=days[0],
            ids="random",
            inferences=given.inferences,
            feedback=int(given.inferences * given.feedback_share),
        )
    warm_up, as_range, by_day = (root / name for name in ("warm-up", "range", "days"))
    link_landing(root / "landing", warm_up, days[:1])
    link_landing(root / "landing", as_range, days)
    run_range(warm_up, days[0], days[0], memory_limit=given.memory_limit)  # the page cache, dbt's manifest
    cost, steps = run_timed(as_range, days[0], days[-1], memory_limit=given.memory_limit)
    told: dict[str, Any] = {"one_range": told_of([cost], [steps])}
    print(json.dumps(told, indent=2), flush=True)
    runs = {}
    for span in spans(days, given.timed or len(days)):
        # As it is when days are run as they come.
        link_landing(root / "landing", by_day, span)
        if len(span) > 1:
            run_range(by_day, span[0], span[-1], memory_limit=given.memory_limit)
        else:
            runs[span[0]] = run_timed(by_day, span[0], span[0], memory_limit=given.memory_limit)
            cost = runs[span[0]][0]
            print(f"{span[0]}: {cost.seconds:.1f} s, {cost.cpu_seconds:.1f} CPU s", flush=True)
    told["runs_of_a_day"] = told_of([cost for cost, _ in runs.values()], [steps for _, steps in runs.values()])
    told["cpu_seconds_by_day"] = {str(day): round(cost.cpu_seconds, 1) for day, (cost, _) in runs.items()}
    told["days_with_a_run_of_their_own"] = len(runs)
    files = [files_of(data_dir / "datasets") for data_dir in (as_range, by_day)]
    return {
        **told,
        "dataset_files": len(files[0]),
        "dataset_files_that_differ": sorted(p for p in {*files[0], *files[1]} if files[0].get(p) != files[1].get(p)),
        "marts_that_differ": marts_that_differ(as_range / "warehouse.duckdb", by_day / "warehouse.duckdb"),
        **{
            f"times_faster_in_{kind}": round(
                told["runs_of_a_day"][kind] * len(days) / len(runs) / told["one_range"][kind], 2
            )
            for kind in ("seconds", "cpu_seconds")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--inferences", type=int, default=1_000, help="a day")
    parser.add_argument("--feedback-share", type=float, default=0.2, help="feedback events per inference")
    parser.add_argument("--timed", type=int, metavar="N", help="days with a run of their own (default: all)")
    parser.add_argument("--memory-limit", default="4GiB", help="FEEDBACK_DUCKDB_MEMORY_LIMIT")
    parser.add_argument("--folder", type=Path, help="where to work; kept afterwards (default: a temporary one)")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    with working_folder(given.folder) as root:
        told = measure(root, given)
    result = {
        "days": given.days,
        "inferences_a_day": given.inferences,
        "feedback_a_day": int(given.inferences * given.feedback_share),
        "memory_limit": given.memory_limit,
        "cores": os.cpu_count(),
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        **told,
    }
    keep_result(given.result, result)


if __name__ == "__main__":
    main()
