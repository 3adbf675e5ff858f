"""The same day with and without encryption: a whole run, and reading what it left, as ratios.

Runs and readings take turns, so that what else the machine does meets both alike.
"""

import argparse
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.runs import keep_result, run_range, working_folder
from benchmarks.traffic import write_landing
from orchestration.lib import parquet_files
from orchestration.lib.catalog import Catalog
from orchestration.lib.duck import connect
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse

DAY = date(2024, 6, 1)
RESULT = Path(__file__).parent / "results" / "encryption.json"
KEY = "the key of a benchmark that protects nothing"
# One reading of a small file is too short to be told from what else goes on.
TIMES = 3


def cpu(do: Callable[[], Any]) -> float:
    """The fewest CPU seconds of some times."""

    def once() -> float:
        before = os.times()
        do()
        after = os.times()
        return after.user + after.system - before.user - before.system

    return min(once() for _ in range(TIMES))


def readings(settings: Settings) -> dict[str, float]:
    """CPU seconds of reading every column of the ledger, of a dataset and of a mart."""
    ledger = sorted(Path(settings.ledger_url).rglob("*.parquet"))
    catalog = Catalog(settings, "feedback")
    latest = catalog.latest()
    assert latest is not None
    all_columns = "select bit_xor(hash(rows)) from ({}) as rows"

    def scan(query: str) -> Callable[[], Any]:
        def of_files() -> None:
            with connect(settings) as connection:
                connection.execute(all_columns.format(query)).fetchall()

        return of_files

    def scan_warehouse() -> None:
        with read_warehouse(settings) as connection:
            connection.execute(all_columns.format("from marts.attributed_feedback")).fetchall()

    inferences = [path for path in ledger if "inferences" in path.parts]
    return {
        "read_ledger": cpu(scan(f"from {parquet_files.read(inferences)}")),
        "read_dataset": cpu(scan(catalog.rows_query(latest["version"]))),
        "read_warehouse": cpu(scan_warehouse),
        "open_connection": cpu(scan("select 1")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=200_000)
    parser.add_argument("--feedback", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    costs: dict[str, dict[str, list[float]]] = {"clear": {}, "encrypted": {}}
    sizes = {}
    with working_folder() as root:
        write_landing(root / "landed", DAY, inferences=given.inferences, feedback=given.feedback)
        for turn in range(given.rounds):
            for name, key in (("clear", {}), ("encrypted", {"FEEDBACK_ENCRYPTION_KEY": KEY})):
                folder = root / f"{name}-{turn}"
                shutil.copytree(root / "landed", folder)
                cost = run_range(folder, DAY, DAY, settings=key)
                settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(folder), **key})
                for what, seconds in {"run": cost.cpu_seconds, **readings(settings)}.items():
                    costs[name].setdefault(what, []).append(seconds)
                sizes[name] = sum(path.stat().st_size for path in folder.rglob("*") if "landing" not in path.parts)
                shutil.rmtree(folder)
                print(name, {what: round(of[-1], 2) for what, of in costs[name].items()}, flush=True)
    least = {name: {what: min(seconds) for what, seconds in of.items()} for name, of in costs.items()}
    result = {
        "inferences": given.inferences,
        "feedback": given.feedback,
        "rounds": given.rounds,
        "cpu_seconds": {name: {what: round(s, 2) for what, s in of.items()} for name, of in least.items()},
        "ratios": {what: round(least["encrypted"][what] / s, 2) for what, s in least["clear"].items() if s > 0.05},
        "ratio_of_bytes": round(sizes["encrypted"] / sizes["clear"], 3),
        "cores": os.cpu_count(),
    }
    keep_result(RESULT, result)


if __name__ == "__main__":
    main()
