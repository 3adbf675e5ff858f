"""Putting landing files in their place: whole or not at all, and never another content under a name.

What is in a file is the business of the two sources; this module knows only paths, bytes and gzip.
"""

import filecmp
import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path


class LandingConflict(Exception):
    """A landing file is there already with another content; the message names the cure."""


@contextmanager
def landing_file(data_dir: Path, *, stream: str, day: date, name: str) -> Iterator[Path]:
    """Yields a hidden path to write to; afterwards that file gets its name in the landing folder.

    A file that is there already with the same bytes keeps its modification time, so that a second run
    of the demo wakes no sensor.
    """
    target = data_dir / "landing" / stream / f"dt={day.isoformat()}" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{name}.part")  # readers of a landing folder skip names with a leading dot
    beside.unlink(missing_ok=True)
    try:
        yield beside
        if not target.exists():
            beside.replace(target)
        elif not filecmp.cmp(beside, target, shallow=False):
            raise LandingConflict(
                f"{target} is there with another content, and a landing file is never changed; "
                f"remove {data_dir / 'landing'} or choose another --data-dir"
            )
    finally:
        beside.unlink(missing_ok=True)


def write_lines(data_dir: Path, *, stream: str, day: date, name: str, lines: Iterable[bytes]) -> None:
    """Writes lines as JSONL, compressed when the name ends in `.gz`."""
    content = b"".join(line + b"\n" for line in lines)
    if name.endswith(".gz"):
        content = gzip.compress(content, compresslevel=6, mtime=0)  # a time inside would change the bytes
    with landing_file(data_dir, stream=stream, day=day, name=name) as path:
        path.write_bytes(content)
