"""The demo's key of pseudonyms: a file beside the data folder, made once, which git ignores."""

import os
import secrets
from pathlib import Path


def key_file(data_dir: Path) -> Path:
    """Makes the key where it is not there yet; who deletes it makes other tokens of the same users."""
    path = data_dir.resolve().with_name(f".{data_dir.resolve().name}-pseudonym-key")
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{secrets.token_hex(32)}\n")
    return path
