"""What one new day costs against short and long histories, with random and with time-ordered ids.

The history is loaded and built by one real `attribution run`, and the new day by another on a copy of it, which
is what is timed. The run's CPU seconds are told beside its seconds, and apart what dbt took ("attribution": models
and their tests), what loading and publishing took with the start, and the same attribution by hand in DuckDB SQL.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

from benchmarks.arrivals import Ids, days_before, write_day
from benchmarks.history_floor import attribute_by_hand
from benchmarks.runs import Cost, keep_result, run_range, working_folder

NEW_DAY = date(2024, 6, 30)
RESULT = Path(__file__).parent / "results" / "growing_history.json"


@dataclass(frozen=True)
class NewDay:
    """The new day's run, with dbt's part: seconds of all its models and tests, two at a time, and of each by name."""

    run: Cost
    attribution_seconds: float
    nodes: dict[str, float]


def time_new_day(built: Path, landing: Path, *, memory_limit: str, recipes: Path | None) -> NewDay:
    """Runs the new day on a copy of a built data folder."""
    with tempfile.TemporaryDirectory(prefix="new-day-", dir=built.parent) as name:
        copy = Path(name) / "data"
        # Landing and ledger files are never changed in place, so that a copy shares them.
        shutil.copytree(built, copy, copy_function=_link_events, ignore=shutil.ignore_patterns("new-day-*"))
        link_landing(landing, copy, [NEW_DAY])
        # Or else the copy is written to the disk while the run waits for its own first checkpoint.
        os.sync()
        cost = run_range(copy, NEW_DAY, NEW_DAY, memory_limit=memory_limit, recipes=recipes)
        ran = json.loads((copy / ".scratch" / "dbt" / "run_results.json").read_text(encoding="utf-8"))
    nodes = {node["unique_id"].split(".", 2)[2]: float(node["execution_time"]) for node in ran["results"]}
    return NewDay(cost, float(ran["elapsed_time"]), nodes)


def link_landing(landing: Path, data_dir: Path, days: Sequence[date]) -> None:
    """Lets a data folder have some of the landed days."""
    for folder in (folder for day in days for folder in landing.glob(f"*/dt={day}")):
        shutil.copytree(folder, data_dir / "landing" / folder.parent.name / folder.name, copy_function=os.link)


def _link_events(source: str, target: str) -> None:
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def measure(root: Path, ids: Ids, given: argparse.Namespace) -> dict[str, Any]:
    """One kind of ids: lands the longest history and the new day, and times the new day against each history."""
    longest = max(given.history)
    recipes = root / "no-recipes" if given.no_datasets else None
    if recipes:
        recipes.mkdir(parents=True)
    for day in [*days_before(NEW_DAY, longest), NEW_DAY]:
        write_day(
            root,
            day,
            first=NEW_DAY - timedelta(days=longest),
            ids=ids,
            inferences=given.inferences,
            feedback=int(given.inferences * given.feedback_share),
        )
    told: dict[str, Any] = {}
    for history in sorted(given.history):
        data_dir = root / f"history-{history}"
        days = days_before(NEW_DAY, history)
        link_landing(root / "landing", data_dir, days)
        built = run_range(data_dir, days[0], days[-1], memory_limit=given.memory_limit, recipes=recipes)
        rounds = [
            time_new_day(data_dir, root / "landing", memory_limit=given.memory_limit, recipes=recipes)
            for _ in range(given.rounds)
        ]
        best = min(rounds, key=lambda new_day: new_day.attribution_seconds)
        floor = attribute_by_hand(root / "landing", [*days, NEW_DAY], root / "floor", memory_limit=given.memory_limit)
        told[f"{history} days"] = {
            "attribution_seconds": round(best.attribution_seconds, 2),
            "floor_seconds": round(floor, 2),
            "run_seconds": round(best.run.seconds, 1),
            "run_cpu_seconds": round(best.run.cpu_seconds, 1),
            "run_without_attribution_seconds": round(best.run.seconds - best.attribution_seconds, 1),
            "peak_memory_gib": round(max(one.run.peak_gib for one in rounds), 2),
            "history_run_seconds": round(built.seconds, 1),
            "history_peak_memory_gib": round(built.peak_gib, 2),
            "nodes": {name: round(seconds, 2) for name, seconds in best.nodes.items()},
        }
        print(f"{ids} ids, {history} days: { ({k: v for k, v in told[f'{history} days'].items() if k != 'nodes'}) }")
    shortest = told[f"{min(given.history)} days"]
    largest = told[f"{longest} days"]
    for name in ("attribution_seconds", "floor_seconds", "run_seconds", "run_cpu_seconds"):
        told[f"ratio_of_{name}"] = round(largest[name] / shortest[name], 2)
    grown = {name: round(largest["nodes"].get(name, 0) - seconds, 2) for name, seconds in shortest["nodes"].items()}
    told["grew_most_seconds"] = dict(sorted(grown.items(), key=lambda item: -item[1])[:10])
    for history in (shortest, largest):
        history.pop("nodes", None)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=10_000, help="a day")
    parser.add_argument("--feedback-share", type=float, default=0.2, help="feedback events per inference")
    parser.add_argument("--history", type=int, nargs="+", default=[7, 30, 90], help="days")
    parser.add_argument("--ids", nargs="+", choices=get_args(Ids), default=list(get_args(Ids)))
    parser.add_argument("--rounds", type=int, default=3, help="of the new day; the best counts")
    parser.add_argument("--memory-limit", default="768MiB", help="DuckDB's share of the process's memory")
    parser.add_argument("--no-datasets", action="store_true", help="attribute only: nothing is published")
    parser.add_argument("--folder", type=Path, help="where to work; kept afterwards (default: a temporary one)")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    with working_folder(given.folder) as root:
        by_ids = {f"{ids} ids": measure(root / ids, ids, given) for ids in given.ids}
    result = {
        "inferences_a_day": given.inferences,
        "feedback_a_day": int(given.inferences * given.feedback_share),
        "memory_limit": given.memory_limit,
        "publishes_datasets": not given.no_datasets,
        "cores": os.cpu_count(),
        **by_ids,
    }
    keep_result(given.result, result)


if __name__ == "__main__":
    main()
