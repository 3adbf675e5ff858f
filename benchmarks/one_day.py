"""`attribution run` for one day beside the hand-written floor, as ratios, with the fixed start-up apart.

The fixed cost is that of the same command on a day with a single pair: imports, dbt's and Great Expectations' start,
Dagster's bookkeeping. It is taken off before a ratio is. The floor publishes one dataset, and so does the run that is
compared with it, table by table: they have to hold the same rows. Further runs mask as shipped and publish all datasets
of `recipes/`. Told by stage are the seconds of Dagster's steps.
"""

import argparse
import os
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import yaml

from benchmarks.floor import TABLES, run_floor, same_rows
from benchmarks.masking import KEEP_ALL
from benchmarks.runs import Cost, keep_result, run_range, step_seconds, working_folder
from benchmarks.traffic import write_landing
from orchestration.lib.settings import REPOSITORY

DAY = date(2024, 6, 1)
COMPARED = "one dataset, nothing masked"
FURTHER = ("one dataset", "all datasets")
RESULT = Path(__file__).parent / "results" / "one_day.json"


def land(root: Path, *, inferences: int, feedback: int) -> Path:
    """A data folder with one day, as an earlier benchmark in the same folder has made it, or new."""
    folder = root / f"landed-{inferences}-{feedback}"
    if not folder.exists():
        write_landing(root / "landing-now", DAY, inferences=inferences, feedback=feedback)
        (root / "landing-now").rename(folder)
    return folder


def run_day(root: Path, landed: Path, name: str, *, memory_limit: str, settings: dict[str, str]) -> dict[str, Any]:
    """One run on the data folder of its name, which shares the landing files; what it cost, by step as well."""
    data_dir = root / name
    shutil.copytree(landed / "landing", data_dir / "landing", copy_function=os.link)
    cost: Cost = run_range(data_dir, DAY, DAY, memory_limit=memory_limit, settings=settings)
    told = {
        "seconds": round(cost.seconds, 1),
        "cpu_seconds": round(cost.cpu_seconds, 1),
        "peak_memory_gib": round(cost.peak_gib, 2),
        "steps": step_seconds(data_dir),
    }
    print(name, told, flush=True)
    return told


def columns_of(data_dir: Path) -> dict[str, list[str]]:
    """The columns of the tables that the floor makes, too, and of the dataset."""
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as connection:
        tables = {
            table: [name for name, *_ in connection.execute(f"describe marts.{table}").fetchall()] for table in TABLES
        }
    shards = sorted((data_dir / "datasets" / "feedback").glob("*/data/*.parquet"))
    return {**tables, "dataset": pq.read_schema(shards[0]).names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=200_000)
    parser.add_argument("--feedback", type=int, default=40_000)
    parser.add_argument("--memory-limit", default="4GiB", help="FEEDBACK_DUCKDB_MEMORY_LIMIT, and the floor's")
    parser.add_argument("--runs", nargs="*", choices=FURTHER, default=list(FURTHER), help="what is run beside")
    parser.add_argument("--folder", type=Path, help="where to work; kept afterwards (default: a temporary one)")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    limit = given.memory_limit
    with working_folder(given.folder) as root:
        recipes, privacy = root / "recipes", root / "privacy.yml"
        recipes.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "recipes" / "feedback.yml", recipes)
        privacy.write_text(yaml.safe_dump(KEEP_ALL), encoding="utf-8")
        one, unmasked = {"FEEDBACK_RECIPES": str(recipes)}, {"FEEDBACK_PRIVACY": str(privacy)}
        day, single = (land(root, inferences=n, feedback=of) for n, of in ((given.inferences, given.feedback), (1, 1)))
        size = sum(file.stat().st_size for file in day.rglob("*.jsonl"))
        print(f"landed {given.inferences:,} inferences and {given.feedback:,} feedback events, {size / 1e6:,.0f} MB")
        run_day(root, single, "warm-up", memory_limit=limit, settings=one)  # the page cache, dbt's manifest
        fixed = run_day(root, single, "fixed", memory_limit=limit, settings=one)
        told = {COMPARED: run_day(root, day, COMPARED, memory_limit=limit, settings=one | unmasked)}
        columns = columns_of(root / COMPARED)
        floor = run_floor(day, DAY, root / "floor", memory_limit=limit, columns=columns)
        rows = same_rows(root / COMPARED / "warehouse.duckdb", root / "floor")
        print("floor", floor, rows, flush=True)
        for folder in (COMPARED, "floor", "warm-up", "fixed"):
            shutil.rmtree(root / folder)
        for name in given.runs:
            told[name] = run_day(root, day, name, memory_limit=limit, settings=one if name == "one dataset" else {})
            shutil.rmtree(root / name)
    for run in told.values():
        for kind, of_floor in (("seconds", floor.seconds), ("cpu_seconds", floor.cpu_seconds)):
            run[f"{kind}_to_floor_without_fixed"] = round((run[kind] - fixed[kind]) / sum(of_floor.values()), 2)
        of_load = sum(run["steps"][step] - fixed["steps"][step] for step in ("raw_inferences", "raw_feedback"))
        run["load_speed_to_floor"] = round(floor.seconds["load"] / of_load, 2)
    result = {
        "inferences": given.inferences,
        "feedback": given.feedback,
        "landed_bytes": size,
        "same_rows": rows,
        "memory_limit": limit,
        "cores": os.cpu_count(),
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "fixed": fixed,
        "floor": {"seconds": floor.seconds, "cpu_seconds": floor.cpu_seconds},
        **told,
    }
    keep_result(given.result, result)


if __name__ == "__main__":
    main()
