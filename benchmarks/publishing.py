"""What publishing a dataset costs beside a bare `COPY` of the same rows, and what the next day costs beside all of it.

A small real `attribution run` makes the warehouse, which is then filled with attributed pairs (`published_rows`).
Published is by the code that the datasets' asset runs, gates included (`publish_partitions`). The bare `COPY` is of the
recipe's query to one Parquet file with the versions' own settings, by the same DuckDB with the same memory limit.
It runs before the whole snapshot and after it, since a machine with other work on it is not the same for long; the mean
counts. Importing Great Expectations and opening its session is told apart.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.published_rows import add_pairs, end_pairs, forget_pairs, open_warehouse, say_otherwise
from benchmarks.runs import keep_result, run_range
from benchmarks.traffic import write_landing
from orchestration.lib.catalog import Catalog
from orchestration.lib.gates import Gates, open_gates
from orchestration.lib.ledger_files import LedgerFiles
from orchestration.lib.publication import publish_partitions
from orchestration.lib.recipe import Recipe, load_recipe
from orchestration.lib.settings import REPOSITORY, Settings
from orchestration.lib.snapshot import PARQUET, snapshot_query
from orchestration.lib.warehouse import read_warehouse

LAST_DAY = date(2024, 6, 20)
RESULT = Path(__file__).parent / "results" / "publishing.json"


def measured(do: Callable[[], Any]) -> dict[str, float]:
    """Seconds, CPU seconds, and the most memory that the process had meanwhile, in GiB."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = os.times()
    do()
    after = os.times()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak_kib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    return {
        "seconds": round(after.elapsed - before.elapsed, 2),
        "cpu_seconds": round(after.user + after.system - before.user - before.system, 2),
        "peak_memory_gib": round(peak_kib / 2**20, 2),
    }


def make_history(data_dir: Path, *, rows: int, days: int) -> None:
    """A built warehouse with so many pairs up to the last day, in equal parts."""
    first = LAST_DAY - timedelta(days=days - 1)
    write_landing(data_dir, first - timedelta(days=1), inferences=20, feedback=10)
    run_range(data_dir, first - timedelta(days=1), first - timedelta(days=1))
    shutil.rmtree(data_dir / "datasets")
    with open_warehouse(data_dir / "warehouse.duckdb") as connection:
        forget_pairs(connection)
        for n in range(days):
            add_pairs(connection, day=first + timedelta(days=n), rows=rows // days)


def publish(settings: Settings, recipe: Recipe, day: date, gates: Gates) -> dict[str, Any]:
    """One partition, as the asset publishes it; the gates below datasets are asked before, as once for all recipes."""
    gates.below_datasets([day])
    catalog, found = Catalog(settings, recipe.name), []

    def publish_day() -> None:
        with read_warehouse(settings) as connection:
            files = LedgerFiles(settings)
            found.append(
                publish_partitions(connection, settings, recipe, [day], gates, ledger_files=files, tell=lambda _: None)
            )

    cost = measured(publish_day)
    made = found[0].published[day]
    folder = Path(catalog.store.full(f"{recipe.name}/{made.candidate.version}"))
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return {
        **cost,
        "rows": made.candidate.rows,
        "changes": made.changes.__dict__ if made.changes else None,
        "bytes": sum(file.st_size for file in files),
        "bytes_not_shared": sum(file.st_size for file in files if file.st_nlink == 1),
    }


def copy_bare(settings: Settings, recipe: Recipe, day: date) -> dict[str, float]:
    target = settings.data_dir / "bare.parquet"
    with read_warehouse(settings) as connection:
        query = snapshot_query(recipe, day)
        rows = f"select * exclude (__split) from ({query})" if recipe.split else query
        cost = measured(lambda: connection.execute(f"copy ({rows}) to '{target}' ({PARQUET})"))
    return cost | {"bytes": target.stat().st_size}


def measure(settings: Settings, recipes: list[Recipe], *, rows: int, rounds: int) -> dict[str, Any]:
    share = rows // 100
    told: dict[str, Any] = {recipe.name: {} for recipe in recipes}

    def each_recipe(name: str, day: date) -> None:
        with open_gates(settings, with_warehouse=True) as (gates, _):
            for recipe in recipes:
                told[recipe.name][name] = publish(settings, recipe, day, gates)
                print(recipe.name, name, told[recipe.name][name], flush=True)

    def session() -> None:
        with open_gates(settings, with_warehouse=True) as (gates, _):
            gates.below_datasets([LAST_DAY])

    told["fixed"] = {"import_and_first_session": measured(session), "a_session_more": measured(session)}
    copies: dict[str, list[dict[str, float]]] = {recipe.name: [] for recipe in recipes}

    def copy_each() -> None:
        for recipe in recipes * rounds:
            copies[recipe.name].append(copy_bare(settings, recipe, LAST_DAY))
            print(recipe.name, "bare_copy", copies[recipe.name][-1], flush=True)

    copy_each()
    each_recipe("full_snapshot", LAST_DAY)
    copy_each()
    for name, found in copies.items():
        told[name]["bare_copy"] = {kind: round(mean(copy[kind] for copy in found), 2) for kind in found[0]}
    next_days = {
        "one_percent_next_day": lambda connection, day: (
            add_pairs(connection, day=day, rows=share * 9 // 10),
            end_pairs(connection, day=day, rows=share - share * 9 // 10),
        ),
        "one_percent_added": lambda connection, day: add_pairs(connection, day=day, rows=share),
        "an_old_day_again": lambda connection, day: (
            add_pairs(connection, day=day, rows=1),
            say_otherwise(connection, day=LAST_DAY - timedelta(days=18)),
        ),
        "one_percent_scattered": lambda connection, day: (
            add_pairs(connection, day=day, rows=1),
            end_pairs(connection, day=day, rows=share, scattered=True),
        ),
    }
    for n, (name, happens) in enumerate(next_days.items(), start=1):
        day = LAST_DAY + timedelta(days=n)
        with open_warehouse(settings.warehouse) as connection:
            happens(connection, day)
        each_recipe(name, day)
    for recipe in recipes:
        figures = told[recipe.name]
        for kind in ("seconds", "cpu_seconds"):
            full = figures["full_snapshot"][kind]
            figures[f"full_to_bare_copy_in_{kind}"] = round(full / figures["bare_copy"][kind], 2)
            figures |= {f"{name}_to_full_in_{kind}": round(figures[name][kind] / full, 3) for name in next_days}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=100, help="over which the rows became known")
    parser.add_argument("--recipes", nargs="+", default=["feedback"])
    parser.add_argument("--rounds", type=int, default=1, help="of the bare COPY, before and after")
    parser.add_argument("--memory-limit", default="4GiB", help="FEEDBACK_DUCKDB_MEMORY_LIMIT")
    parser.add_argument("--folder", type=Path, help="where to work; a warehouse that is there is used and kept")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    root = given.folder or Path(tempfile.mkdtemp(prefix="benchmark-"))
    settings = Settings.from_env(
        {
            "FEEDBACK_DATA_DIR": str(root / "data"),
            "FEEDBACK_DATA_DOCS": "false",
            "FEEDBACK_DUCKDB_MEMORY_LIMIT": given.memory_limit,
        }
    )
    recipes = [load_recipe(REPOSITORY / "recipes" / f"{name}.yml") for name in given.recipes]
    try:
        if not (root / "history").exists():
            make_history(root / "made", rows=given.rows, days=given.days)
            (root / "made").rename(root / "history")
        shutil.rmtree(settings.data_dir, ignore_errors=True)
        shutil.copytree(root / "history", settings.data_dir)
        told = measure(settings, recipes, rows=given.rows, rounds=given.rounds)
    finally:
        shutil.rmtree(root if not given.folder else settings.data_dir, ignore_errors=True)
    result = {
        "rows": given.rows,
        "days": given.days,
        "memory_limit": given.memory_limit,
        "cores": os.cpu_count(),
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        **told,
    }
    keep_result(given.result, result)


if __name__ == "__main__":
    main()
