"""The command line in processes of its own, for tests that kill it or start it twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

REPOSITORY = Path(__file__).resolve().parents[1]


def environment(data_dir: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FEEDBACK_", "DAGSTER_", "DBT_"))}
    return {**kept, "FEEDBACK_DATA_DIR": str(data_dir), "FEEDBACK_DATA_DOCS": "false"}


def start(
    data_dir: Path,
    *arguments: str,
    output: Path | None = None,
    repository: Path = REPOSITORY,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[str]:
    """Starts `attribution …` in its own process group, so that a kill reaches what it started, too."""
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=repository,
        env={**environment(data_dir), **settings, "PYTHONPATH": str(repository)},
        stdout=output.open("w") if output else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def is_killed(data_dir: Path, settings: Mapping[str, str], module: str, *arguments: str) -> bool:
    """Runs a module of the tests that kills its own process at some step; whether it came that far."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env={**environment(data_dir), **settings, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == -signal.SIGKILL


def stop(process: subprocess.Popen[str]) -> None:
    """Ends a process and all that it started: asked first, then made to. Dagster's servers do not always listen."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
