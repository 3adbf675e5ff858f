"""A reader of the live view as users are: it opens the file again and again, and notes when it first sees a pair."""

import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.live_traffic import Landed


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
