"""How soon feedback is seen in the live view: a producer, `attribution follow` and a reader, each on its own.

The history is landed, loaded into the ledger and built by the platform's own models (benchmarks/history.py). Then
files of feedback are renamed into place (benchmarks/live_traffic.py) and a reader opens the view again and again
(benchmarks/live_reader.py). A pair's time is from when the later of its two files was renamed into place to when the
reader saw it.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.history import build_history
from benchmarks.live_reader import Reader
from benchmarks.live_traffic import TICK_SECONDS, Landed, produce, stage
from benchmarks.runs import environment, keep_result, working_folder
from benchmarks.traffic import landing_folders
from orchestration.lib.partitions import today

RESULT = Path(__file__).parent / "results" / "following.json"


def wait_for(log: Path, said: str, process: "subprocess.Popen[bytes]") -> None:
    while said not in log.read_text():
        if process.poll() is not None:
            raise RuntimeError(f"attribution follow ended; see {log}")
        time.sleep(0.1)


def measure(data_dir: Path, day: date, given: argparse.Namespace) -> dict[str, Any]:
    staging = data_dir / "staging"
    # What an earlier measurement left in a folder that is kept.
    for folder in (staging, data_dir / "live", *landing_folders(data_dir, day).values()):
        shutil.rmtree(folder, ignore_errors=True)
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
    day = today()
    with working_folder(given.folder) as data_dir:
        build_history(data_dir, day, given)
        told = measure(data_dir, day, given)
    names = ("inferences", "days", "feedback", "prompt_words", "rate", "interval")
    asked = {name: getattr(given, name) for name in names}
    result = {"history_and_rate": asked, "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1), **told}
    keep_result(given.result, result)


if __name__ == "__main__":
    main()
