"""Attaching a DuckDB file read-only although somebody may be writing it at the moment.

Another process lets go of it by itself, so it is waited for. Whoever has it open for writing in this
process (dbt, a forgotten connection) is most likely waiting for us: that is an error at once.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

_PAUSE_SECONDS = 0.25


class AttachError(RuntimeError):
    """A database file could not be attached; the message names the file and the cure."""


def attach_read_only(
    connection: duckdb.DuckDBPyConnection,
    *,
    alias: str,
    path: Path,
    timeout_seconds: float,
    options: Sequence[str] = (),
) -> None:
    """Attaches `path` under the name `alias`, waiting for a writer to finish; `options` are further ones of ATTACH.

    Raises AttachError where there is no such file, it is open for writing in this process, or another
    process still holds it after `timeout_seconds`.
    """
    if not path.exists():
        raise AttachError(f"{path} does not exist; build it before its gate is run")
    quoted_path = str(path).replace("'", "''")
    quoted_alias = alias.replace('"', '""')
    told = ", ".join(["read_only", *options])
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            connection.execute(f"""attach '{quoted_path}' as "{quoted_alias}" ({told})""")
            return
        except duckdb.BinderException as error:
            if "file handle conflict" not in str(error):
                raise
            raise AttachError(f"{path} is open for writing in this process; close that connection first") from None
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise AttachError(
                    f"{path} is still being written by another process after {timeout_seconds:g} s"
                    f"{_holder(str(error))}; wait for it to finish, or end it, and run again"
                ) from None
        time.sleep(_PAUSE_SECONDS)


def _holder(message: str) -> str:
    """Who holds the lock, as far as DuckDB tells."""
    held = re.search(r"lock is held in (.*?\(PID \d+\))", message)
    return f" ({held.group(1)})" if held else ""
