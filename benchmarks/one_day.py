"""`attribution run` for one day beside the hand-written floor, as a ratio, with the fixed start-up apart.

The fixed cost is that of the same command on a day with a single pair: imports, dbt's and Great
Expectations' start, Dagster's bookkeeping. It is taken off before the ratio is.
"""

import argparse
import json
import os
import shutil
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.floor import run_floor
from benchmarks.runs import run_range
from benchmarks.traffic import write_landing

DAY = date(2024, 6, 1)
RESULT = Path(__file__).parent / "results" / "one_day.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=200_000)
    parser.add_argument("--feedback", type=int, default=40_000)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        size = write_landing(root / "day", DAY, inferences=given.inferences, feedback=given.feedback)
        write_landing(root / "single", DAY, inferences=1, feedback=1)
        print(f"landed {given.inferences:,} inferences and {given.feedback:,} feedback events, {size / 1e6:,.0f} MB")
        run_range(root / "single", DAY, DAY)  # warms the page cache and dbt's manifest
        shutil.rmtree(root / "single" / "ledger")
        fixed = run_range(root / "single", DAY, DAY).seconds
        whole = run_range(root / "day", DAY, DAY)
        floor, rows = run_floor(root / "day", DAY, root / "floor")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    result = {
        "inferences": given.inferences,
        "feedback": given.feedback,
        "landed_bytes": size,
        "attributed_rows": rows,
        "run_seconds": round(whole.seconds, 1),
        "fixed_seconds": round(fixed, 1),
        "floor_seconds": round(floor, 1),
        "ratio_without_fixed": round((whole.seconds - fixed) / floor, 2),
        "ratio_with_fixed": round(whole.seconds / floor, 2),
        "peak_memory_gib": round(whole.peak_gib, 2),
        "cores": os.cpu_count(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
