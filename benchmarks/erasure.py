"""What an erasure costs in a short and in a long history, where the person has the same lines, of the last days.

CPU seconds of the whole command in a process of its own, and apart those of its halves on the same files: finding and
taking out (landing, ledger, versions), and the end (the warehouse written anew, the search through every file). What
is left is the start, dbt and publishing.
"""

import argparse
import json
import os
import shutil
import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.arrivals import days_before, write_day
from benchmarks.runs import keep_result, run_command, run_range, step_seconds, working_folder
from orchestration.lib.erasure import apply, finish
from orchestration.lib.settings import Settings

NEXT_DAY = date(2024, 6, 30)
PERSON = "user-of-the-benchmark"
RESULT = Path(__file__).parent / "results" / "erasure.json"


def plant(data_dir: Path, day: date, lines: int) -> None:
    """A file a stream with the person's lines of a day."""
    folder = data_dir / "landing"
    for stream in ("inferences", "feedback"):
        # Apart, and of two kinds: no rule is to hold them back, or no version would have them.
        events = [
            {
                "request_id": f"req-of-the-benchmark-{day}-{n}",
                "timestamp": f"{day}T{n * 25 // 60 % 24:02d}:{n * 25 % 60:02d}:{30 * (stream == 'feedback'):02d}Z",
                "user_id": PERSON,
            }
            | (
                {"model_version": "v1", "output": {"text": "an answer"}}
                if stream == "inferences"
                else {"thumbs": ("up", "down")[n % 2]}
            )
            for n in range(lines)
        ]
        path = folder / stream / f"dt={day}" / "person.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def cpu_of_halves(data_dir: Path, recipes: Path) -> dict[str, float]:
    """The halves' own CPU seconds, on a copy: the first, and the search and the new warehouse of the second."""
    told = {}
    copy = data_dir.with_name(f"{data_dir.name}-halves")
    shutil.copytree(data_dir, copy)
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(copy), "FEEDBACK_RECIPES": str(recipes)})
    before = time.process_time()
    apply.apply_erasures(settings, tell=lambda _: None)
    told["found_and_taken_out_cpu_seconds"] = round(time.process_time() - before, 1)
    before = time.process_time()
    with (
        mock.patch.object(finish, "_refuse_stale"),
        # The warehouse of the copy was not built again, and still has them.
        suppress(finish.ErasureIncomplete),
    ):
        finish.finish_erasures(settings, tell=lambda _: None)
    told["end_cpu_seconds"] = round(time.process_time() - before, 1)
    shutil.rmtree(copy)
    return told


def measure(root: Path, history: int, given: argparse.Namespace) -> dict[str, Any]:
    data_dir, recipes = root / f"history-{history}", root / f"recipes-{history}"
    days = days_before(NEXT_DAY, history)
    for day in days:
        write_day(
            data_dir, day, first=days[0], ids="random", inferences=given.inferences, feedback=given.inferences // 5
        )
    for day in days[-given.days_of_person :]:
        plant(data_dir, day, given.lines_of_person)
    recipes.mkdir()
    for name in given.recipes:
        shutil.copy2(Path(__file__).parents[1] / "recipes" / f"{name}.yml", recipes)
    built = run_range(data_dir, days[0], days[-1], recipes=recipes)
    (data_dir / "landing" / "erasures" / f"dt={days[-1]}").mkdir(parents=True)
    event = json.dumps({"user_id": PERSON, "timestamp": f"{NEXT_DAY}T00:00:00Z"})
    (data_dir / "landing" / "erasures" / f"dt={days[-1]}" / "erasure.jsonl").write_text(f"{event}\n", encoding="utf-8")
    halves = cpu_of_halves(data_dir, recipes)
    cost = run_command(data_dir, ["erase", "--resume"], recipes=recipes)
    (report,) = (json.loads(path.read_text(encoding="utf-8")) for path in data_dir.glob("erasures/*/report.json"))
    return {
        "history_run_cpu_seconds": round(built.cpu_seconds, 1),
        "cpu_seconds": round(cost.cpu_seconds, 1),
        "seconds": round(cost.seconds, 1),
        **halves,
        "lines_erased": sum(report["found"]["lines_erased"].values()),
        "files_searched": report["verification"]["files_read"],
        "bytes_searched": report["verification"]["bytes_read"],
        "versions_withdrawn": len(report["datasets"]),
        "steps": step_seconds(data_dir),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=20_000, help="a day")
    parser.add_argument("--history", type=int, nargs=2, default=[3, 12], help="days")
    parser.add_argument("--days-of-person", type=int, default=2, help="the last ones")
    parser.add_argument("--lines-of-person", type=int, default=50, help="a stream and day")
    parser.add_argument("--recipes", nargs="*", default=["feedback", "sft"])
    parser.add_argument("--folder", type=Path, help="where to work; kept afterwards (default: a temporary one)")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    with working_folder(given.folder) as root:
        told = {f"{history} days": measure(root, history, given) for history in sorted(given.history)}
    short, long = told.values()
    result = {
        "inferences_a_day": given.inferences,
        "days_of_person": given.days_of_person,
        "cores": os.cpu_count(),
        **told,
        "ratio_of_cpu_seconds": round(long["cpu_seconds"] / short["cpu_seconds"], 2),
    }
    keep_result(given.result, result)


if __name__ == "__main__":
    main()
