"""The platform's engine beside others, on the question that attribution comes down to: a day's feedback with all of the
inferences that it is about.

Each engine has a process of its own, and what each wrote is compared: the same pairs, with the same texts. Told are
the seconds of the question (imports and Spark's start apart), CPU seconds and peak memory of the whole process; of
Spark neither, as they are a JVM's beside it.
"""

import argparse
import json
import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.arrivals import days_before, write_day
from benchmarks.peer_engines import ENGINES
from benchmarks.runs import keep_result, run_process, working_folder
from orchestration.lib.settings import REPOSITORY

NEW_DAY = date(2024, 6, 30)
RESULT = Path(__file__).parent / "results" / "peers.json"
PYTHON = REPOSITORY / ".venv-peers" / "bin" / "python"


def ask(python: Path, engine: str, root: Path, days: list[date]) -> dict[str, Any]:
    """One engine's answer in a process of its own; raises where it does not end well."""
    out = root / engine
    out.mkdir()
    asked = {
        "inferences": [f"{root}/landing/inferences/dt={day}/events.parquet" for day in days],
        "feedback": f"{root}/landing/feedback/dt={days[-1]}/events.parquet",
        "out": str(out),
    }
    (out / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    command = [str(python), str(REPOSITORY / "benchmarks" / "peer_engines.py"), engine, str(out / "asked.json")]
    cost = run_process(command, os.environ, output=out / "told.json", errors=out.with_suffix(".log"))
    seconds = json.loads((out / "told.json").read_text(encoding="utf-8").splitlines()[-1])["seconds"]
    of_process = {"cpu_seconds": round(cost.cpu_seconds, 2), "peak_memory_gib": round(cost.peak_gib, 2)}
    return {
        "seconds": round(seconds, 2),
        "start_seconds": round(cost.seconds - seconds, 2),
        **(of_process if engine != "pyspark" else {}),
    }


def content(folder: Path) -> tuple[int, int, int]:
    """What an engine wrote: rows, a hash of the pairs in no order, and how long their texts are."""
    query = f"""
        select count(*), bit_xor(hash(feedback_id, request_id)),
            sum(strlen(output.text) + strlen(input.messages[1].content))
        from read_parquet('{folder}/**/*.parquet')
    """
    with duckdb.connect() as connection:
        rows, pairs, length = connection.execute(query).fetchall()[0]
    return rows, pairs, int(length)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=167_000, help="a day")
    parser.add_argument("--feedback", type=int, default=33_400, help="a day")
    parser.add_argument("--history", type=int, default=30, help="days before the one that is asked about")
    parser.add_argument("--rounds", type=int, default=2, help="the best counts")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--python", type=Path, default=PYTHON, help="interpreter that has the engines")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    days = [*days_before(NEW_DAY, given.history), NEW_DAY]
    told: dict[str, dict[str, Any]] = {}
    contents: dict[str, tuple[int, int, int]] = {}
    with working_folder() as root:
        for day in days:
            write_day(
                root,
                day,
                first=NEW_DAY - timedelta(days=given.history),
                ids="random",
                inferences=given.inferences,
                feedback=given.feedback,
            )
        for engine in given.engines * given.rounds:
            one = ask(given.python, engine, root, days)
            contents[engine] = content(root / engine)
            shutil.rmtree(root / engine)
            print(engine, one, flush=True)
            told[engine] = min(told.get(engine, one), one, key=lambda round_: round_["seconds"])
    if len(set(contents.values())) != 1:
        raise SystemExit(f"the engines do not agree: {contents}")
    floor = told[given.engines[0]]["seconds"]
    result = {
        "inferences_a_day": given.inferences,
        "feedback": given.feedback,
        "history_days": given.history,
        "pairs": contents[given.engines[0]][0],
        "cores": os.cpu_count(),
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "engines": {e: {**one, f"to_{given.engines[0]}": round(one["seconds"] / floor, 2)} for e, one in told.items()},
    }
    keep_result(given.result, result)


if __name__ == "__main__":
    main()
