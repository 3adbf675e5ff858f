"""What benchmarks share: commands in processes of their own and what they cost, where they work, what they measured."""

import json
import os
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

from orchestration.lib.instance import open_instance


@dataclass(frozen=True)
class Cost:
    """One process: seconds, CPU seconds, and the most memory that it had, in GiB."""

    seconds: float
    cpu_seconds: float
    peak_gib: float


class CpuClock:
    """How much CPU time a process had used at any moment, looked at ten times a second."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = [(0.0, 0.0)]

    def watch(self, pid: int) -> None:
        """Looks on until the process ends; in a thread of its own."""
        ticks = os.sysconf("SC_CLK_TCK")
        with suppress(OSError):
            while True:
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1]
                user, system = fields.split()[11:13]
                self._seen.append((time.time(), (int(user) + int(system)) / ticks))
                time.sleep(0.1)

    def used_by(self, moment: float) -> float:
        """CPU seconds that it had used by a moment, in seconds since 1970."""
        place = bisect_left(self._seen, (moment, 0.0))
        return self._seen[min(place, len(self._seen) - 1)][1]


def run_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    output: Path,
    errors: Path | None = None,
    clock: CpuClock | None = None,
) -> Cost:
    """A process of its own, whose output goes to files: errors to the same one where no other is given. A `clock`
    looks on.

    Raises where it does not succeed, with the end of what it said.
    """
    before = os.times().elapsed
    with ExitStack() as files:
        out = files.enter_context(open(output, "w", encoding="utf-8"))
        err = files.enter_context(open(errors, "w", encoding="utf-8")) if errors else out
        to_files = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)]
        process = os.posix_spawn(command[0], command, environment, file_actions=to_files)
        if clock:
            threading.Thread(target=clock.watch, args=(process,), daemon=True).start()
        _, status, used = os.wait4(process, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        said = (errors or output).read_text(encoding="utf-8")
        raise RuntimeError(f"{' '.join(command[1:4])} did not succeed; see {errors or output}:\n{said[-2000:]}")
    return Cost(os.times().elapsed - before, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


def environment(data_dir: Path) -> dict[str, str]:
    """What a process on a data folder has, whatever is set here."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FEEDBACK_", "DAGSTER_HOME"))}
    return {**kept, "FEEDBACK_DATA_DIR": str(data_dir), "FEEDBACK_DATA_DOCS": "false"}


def run_range(
    data_dir: Path,
    first: date,
    last: date,
    *,
    memory_limit: str | None = None,
    recipes: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    clock: CpuClock | None = None,
) -> Cost:
    """`attribution run` of a range. Raises where it does not land."""
    arguments = ["run", "--from", str(first), "--to", str(last)]
    return run_command(data_dir, arguments, memory_limit=memory_limit, recipes=recipes, settings=settings, clock=clock)


def run_command(
    data_dir: Path,
    arguments: Sequence[str],
    *,
    memory_limit: str | None = None,
    recipes: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    clock: CpuClock | None = None,
) -> Cost:
    """`attribution …` in a process of its own, with its log in the data folder. Raises where it does not succeed."""
    own = {**environment(data_dir), **settings}
    if memory_limit:
        own["FEEDBACK_DUCKDB_MEMORY_LIMIT"] = memory_limit
    if recipes:
        own["FEEDBACK_RECIPES"] = str(recipes)
    command = [sys.executable, "-m", "orchestration.cli", *arguments]
    return run_process(command, own, output=data_dir / "run.log", clock=clock)


def step_times(data_dir: Path) -> dict[str, tuple[float, float]]:
    """When each step of the last run of a data folder began and ended, as Dagster noted it."""
    with mock.patch.dict(os.environ, {"DAGSTER_HOME": str(data_dir / ".dagster")}), open_instance() as instance:
        (run,) = instance.get_runs(limit=1)
        steps = instance.get_run_step_stats(run.run_id)
    return {step.step_key: (step.start_time, step.end_time) for step in steps if step.end_time and step.start_time}


def step_seconds(data_dir: Path) -> dict[str, float]:
    """Seconds of each step of the last run of a data folder."""
    return {step: round(end - start, 2) for step, (start, end) in step_times(data_dir).items()}


@contextmanager
def working_folder(kept: Path | None = None) -> Iterator[Path]:
    """Where a benchmark works: the folder that is given, which stays, or a temporary one."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept


def keep_result(path: Path, result: Mapping[str, Any]) -> None:
    """Writes what was measured to the file that docs/benchmarks.md is made from, and shows it."""
    told = json.dumps(result, indent=2)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{told}\n", encoding="utf-8")
    print(told)
