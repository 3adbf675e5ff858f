"""Commands in processes of their own, and what they cost."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from unittest import mock

from orchestration.lib.instance import open_instance


@dataclass(frozen=True)
class Cost:
    """One process: seconds, CPU seconds, and the most memory that it had, in GiB."""

    seconds: float
    cpu_seconds: float
    peak_gib: float


def run_process(
    command: Sequence[str], environment: Mapping[str, str], *, output: Path, errors: Path | None = None
) -> Cost:
    """A process of its own, whose output goes to files: errors to the same one where no other is given.

    Raises where it does not succeed, with the end of what it said.
    """
    before = os.times().elapsed
    with ExitStack() as files:
        out = files.enter_context(open(output, "w", encoding="utf-8"))
        err = files.enter_context(open(errors, "w", encoding="utf-8")) if errors else out
        to_files = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)]
        process = os.posix_spawn(command[0], command, environment, file_actions=to_files)
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
) -> Cost:
    """`attribution run` of a range. Raises where it does not land."""
    arguments = ["run", "--from", str(first), "--to", str(last)]
    return run_command(data_dir, arguments, memory_limit=memory_limit, recipes=recipes, settings=settings)


def run_command(
    data_dir: Path,
    arguments: Sequence[str],
    *,
    memory_limit: str | None = None,
    recipes: Path | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Cost:
    """`attribution …` in a process of its own, with its log in the data folder. Raises where it does not succeed."""
    own = {**environment(data_dir), **settings}
    if memory_limit:
        own["FEEDBACK_DUCKDB_MEMORY_LIMIT"] = memory_limit
    if recipes:
        own["FEEDBACK_RECIPES"] = str(recipes)
    return run_process([sys.executable, "-m", "orchestration.cli", *arguments], own, output=data_dir / "run.log")


def step_seconds(data_dir: Path) -> dict[str, float]:
    """Seconds of each step of the last run of a data folder, as Dagster noted them."""
    with mock.patch.dict(os.environ, {"DAGSTER_HOME": str(data_dir / ".dagster")}), open_instance() as instance:
        (run,) = instance.get_runs(limit=1)
        steps = instance.get_run_step_stats(run.run_id)
    return {
        step.step_key: round(step.end_time - step.start_time, 2) for step in steps if step.end_time and step.start_time
    }
