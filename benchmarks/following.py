"""How soon feedback is seen in the live view: a producer, `attribution follow` and a reader, each on its own.

The history is landed, loaded into the ledger and built by the platform's own models (benchmarks/history.py). Then
files of feedback are renamed into place twice a second, about inferences of the history, about ones that land with
them, and about ones that land seconds later; and a reader opens the view again and again, as users do. A pair's time is
from when the later of its two files was renamed into place to when the reader saw it.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.arrivals import days_before, request_id
from benchmarks.history import build_history
from benchmarks.runs import environment
from benchmarks.traffic import landing_folders, make_vocabulary, text_sql
from orchestration.lib.partitions import today

RESULT = Path(__file__).parent / "results" / "following.json"
TICK_SECONDS = 0.5
# Of the feedback; the rest is about the history.
WITH_ITS_INFERENCE, BEFORE_ITS_INFERENCE = 0.15, 0.15
LATER_TICKS = (4, 30)  # an inference that comes later comes so many ticks after its feedback
USERS = 50_000


@dataclass
class Landed:
    """When each file was renamed into place."""

    at: dict[str, float] = field(default_factory=dict)

    def put(self, staged: Path, folder: Path) -> None:
        staged.rename(folder / staged.name)
        self.at[f"landing/{folder.parent.name}/{folder.name}/{staged.name}"] = time.time()


def stage(staging: Path, day: date, given: argparse.Namespace) -> int:
    """Writes all files beforehand, so that making them takes nothing from what is measured; how many ticks there are.

    Of a tick's feedback every hundredth names an alternative, a tenth are corrections, the rest thumbs. Each is by the
    user whose answer it is, or by nobody.
    """
    ticks = int(given.seconds / TICK_SECONDS)
    per_tick = int(given.rate * TICK_SECONDS)
    days = days_before(day, given.days)
    per_day = given.inferences // given.days
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        make_vocabulary(connection)
        connection.execute(
            f"""
            create table events as
            select
                tick, i, 'live-' || tick || '-' || i as id,
                hash(tick, i, 'kind') % 10000 / 10000.0 as share,
                date '{days[0]}' + (hash(tick, i, 'day') % {len(days)})::integer as day,
                hash(tick, i, 'row') % {per_day} as row,
                tick + {LATER_TICKS[0]} + (hash(tick, i, 'later') % {LATER_TICKS[1] - LATER_TICKS[0]})::integer as later
            from range({ticks}) t(tick), range({per_tick}) r(i)
            """
        )
        of_history = request_id("random", "day", "row", per_day)
        is_new = f"share < {WITH_ITS_INFERENCE + BEFORE_ITS_INFERENCE}"
        for tick in range(ticks + LATER_TICKS[1]):
            connection.execute(
                f"""
                copy (
                    select
                        'fb-' || id as feedback_id,
                        case when {is_new} then 'req-' || id else {of_history} end as request_id,
                        strftime(now(), '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
                        case when i % 10 <> 3 and i % 100 <> 7 then ['up', 'down'][1 + i % 2] end as thumbs,
                        case when i % 10 = 3 then {text_sql("correction", "i", 20, 40)} end as corrected_output,
                        case when i % 100 = 7 then 0 end as preferred_output_idx,
                    from events, vocabulary where tick = {tick} order by i
                ) to '{staging}/{tick:05}-feedback.jsonl' (format json)
                """
            )
            connection.execute(
                f"""
                copy (
                    select
                        'req-' || id as request_id,
                        strftime(now() - interval 1 minute, '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
                        'assistant' as model_name, 'v1' as model_version,
                        'session-' || id as session_id, 0 as turn, 'user-' || (hash(id) % {USERS}) as user_id,
                        {{'messages': [{{'role': 'user', 'content': {text_sql("prompt", "i", 160, 300)}}}]}} as input,
                        {{'text': {text_sql("output", "i", 60, 100)}, 'finish_reason': 'stop'}} as output
                    from events, vocabulary
                    where (tick = {tick} and share < {WITH_ITS_INFERENCE})
                        or (later = {tick} and share >= {WITH_ITS_INFERENCE} and {is_new})
                    order by id
                ) to '{staging}/{tick:05}-inferences.jsonl' (format json)
                """
            )
    return ticks


def produce(staging: Path, data_dir: Path, day: date, landed: Landed) -> None:
    """Renames a tick's files into place when it is time, whether or not anybody keeps up."""
    folders = landing_folders(data_dir, day)
    started = time.monotonic()
    for tick in range(1 + max(int(path.name[:5]) for path in staging.iterdir())):
        time.sleep(max(0.0, started + tick * TICK_SECONDS - time.monotonic()))
        for stream, folder in folders.items():
            staged = staging / f"{tick:05}-{stream}.jsonl"
            if staged.exists() and staged.stat().st_size:
                landed.put(staged, folder)


class Reader:
    """Opens the view again and again, and notes when it first sees a pair."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "live" / "live.duckdb"
        self._seen = duckdb.connect()
        self._seen.execute(
            "create table seen (feedback_file varchar, feedback_line bigint, inference_file varchar, seen_at double)"
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.errors: list[str] = []

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        before = None
        while not self._stop.wait(0.1):
            try:
                if not self._path.exists() or (inode := self._path.stat().st_ino) == before:
                    continue
                with duckdb.connect() as connection:
                    connection.execute(f"attach '{self._path}' as live (read_only)")
                    rows = connection.execute(
                        "select feedback_source_file, feedback_source_line, inference_source_file "
                        "from live.attributed_feedback"
                    ).to_arrow_table()
                now, before = time.time(), inode
            except duckdb.Error as error:
                self.errors.append(str(error))
                continue
            self._seen.register("rows", rows)
            self._seen.execute(
                f"insert into seen select *, {now} from rows where (feedback_source_file, feedback_source_line) "
                "not in (select (feedback_file, feedback_line) from seen)"
            )

    def latencies(self, landed: Landed) -> dict[str, Any]:
        """Seconds by what the feedback was about."""
        self._seen.execute("create or replace table landed (file varchar, landed_at double)")
        self._seen.executemany("insert into landed values (?, ?)", list(landed.at.items()))
        rows = self._seen.execute(
            """
            select
                case when inference.landed_at is null then 'about the history'
                    when inference.landed_at > feedback.landed_at + 0.5 then 'before its inference'
                    else 'with its inference' end,
                list(seen_at - greatest(feedback.landed_at, inference.landed_at))
            from seen
            inner join landed as feedback on feedback_file = feedback.file
            left join landed as inference on inference_file = inference.file
            group by all order by 1
            """
        ).fetchall()
        told = {about: _percentiles(np.array(seconds)) for about, seconds in rows}
        return {"all": _percentiles(np.concatenate([np.array(seconds) for _, seconds in rows])), **told}

    def count(self) -> int:
        return int(self._seen.execute("select count(*) from seen").fetchall()[0][0])


def _percentiles(seconds: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, float]:
    p50, p99 = np.percentile(seconds, (50, 99))
    return {"pairs": len(seconds), "p50": round(p50, 2), "p99": round(p99, 2), "max": round(float(seconds.max()), 2)}


def wait_for(log: Path, said: str, process: "subprocess.Popen[bytes]") -> None:
    while said not in log.read_text():
        if process.poll() is not None:
            raise RuntimeError(f"attribution follow ended; see {log}")
        time.sleep(0.1)


def measure(data_dir: Path, day: date, given: argparse.Namespace) -> dict[str, Any]:
    staging = data_dir / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    ticks = stage(staging, day, given)
    expected = ticks * int(given.rate * TICK_SECONDS)
    log = data_dir / "follow.log"
    command = [sys.executable, "-m", "orchestration.cli", "follow", "--interval", str(given.interval)]
    started = time.monotonic()
    with open(log, "w", encoding="utf-8") as output:
        follower = subprocess.Popen(command, env=environment(data_dir), stdout=output, stderr=output)
    landed = Landed()
    try:
        wait_for(log, "caught up", follower)
        start_seconds = time.monotonic() - started
        with Reader(data_dir) as reader:
            produce(staging, data_dir, day, landed)
            deadline = time.monotonic() + 60
            while reader.count() < expected and time.monotonic() < deadline:
                time.sleep(0.2)
    finally:
        follower.send_signal(signal.SIGTERM)
        _, _, used = os.wait4(follower.pid, 0)
    return {
        "feedback_landed": expected,
        "seen": reader.count(),
        "seconds": reader.latencies(landed),
        "reader_errors": len(reader.errors),
        "start_seconds": round(start_seconds, 1),
        "follower_cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "follower_peak_gib": round(used.ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferences", type=int, default=5_000_000, help="of history, all days together")
    parser.add_argument("--days", type=int, default=30, help="of history")
    parser.add_argument("--feedback", type=int, default=1_000_000, help="of history, all days together")
    parser.add_argument("--prompt-words", type=int, nargs=2, default=[160, 300], help="of the history's inferences")
    parser.add_argument("--rate", type=int, default=1_000, help="feedback events a second")
    parser.add_argument("--seconds", type=int, default=120, help="of feedback")
    parser.add_argument("--interval", type=float, default=0.5, help="of the follower")
    parser.add_argument("--folder", type=Path, help="where to work; kept, and its history used again (default: none)")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    data_dir = given.folder or Path(tempfile.mkdtemp(prefix="benchmark-"))
    day = today()
    try:
        build_history(data_dir, day, given)
        told = measure(data_dir, day, given)
    finally:
        if not given.folder:
            shutil.rmtree(data_dir, ignore_errors=True)
    names = ("inferences", "days", "feedback", "prompt_words", "rate", "interval")
    asked = {name: getattr(given, name) for name in names}
    result = {"history_and_rate": asked, "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1), **told}
    given.result.parent.mkdir(exist_ok=True)
    given.result.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
