"""The way back from a token to the user's id: a file that is only kept if a setting names it, apart from the data."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

MODE = 0o600


def note(path: Path, tokens: Mapping[str, str]) -> None:
    """Appends the ids whose tokens are not in the file yet, one JSON object a line."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, MODE)
    with open(descriptor, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed with the file
        os.fchmod(file.fileno(), MODE)
        file.seek(0)
        known = {json.loads(line)["token"] for line in file if line.endswith("\n")}
        new = sorted((token, user_id) for user_id, token in tokens.items() if token not in known)
        file.writelines(
            json.dumps({"token": token, "user_id": user_id}, ensure_ascii=False) + "\n" for token, user_id in new
        )
        file.flush()
        os.fsync(file.fileno())
