"""The way back from a token to the user's id: a file that is only kept if a setting names it, apart from the data."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

MODE = 0o600


def note(path: Path, tokens: Mapping[str, str]) -> None:
    """Appends the ids whose tokens are not in the file yet, one JSON object a line."""
    with _held(path) as file:
        known = {json.loads(line)["token"] for line in file if line.endswith("\n")}
        new = sorted((token, user_id) for user_id, token in tokens.items() if token not in known)
        # As ASCII: an id may be no text that a file could hold.
        file.writelines(json.dumps({"token": token, "user_id": user_id}) + "\n" for token, user_id in new)
        file.flush()
        os.fsync(file.fileno())


def forget(path: Path, user_id: str) -> None:
    """Takes a user out of the file, in one step."""
    with _held(path) as file:
        lines = list(file)
        kept = [line for line in lines if not line.endswith("\n") or json.loads(line)["user_id"] != user_id]
        if kept == lines:
            return
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "w", encoding="utf-8") as without:
            without.writelines(kept)
            without.flush()
            os.fsync(without.fileno())
        beside.replace(path)


@contextmanager
def _held(path: Path) -> Iterator[IO[str]]:
    """The file for reading and appending, nobody else's meanwhile; made where it is not there."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, MODE)
        with open(descriptor, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed with the file
            # Who waited may hold a file that another has replaced.
            if os.fstat(descriptor).st_ino != path.stat().st_ino:
                continue
            os.fchmod(descriptor, MODE)
            file.seek(0)
            yield file
            return
