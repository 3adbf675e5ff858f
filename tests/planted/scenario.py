"""The planted traffic and its known answers: what a test of the platform lands and compares with.

Every answer is written beside its line in the tables (`arrival`, `resent`, `sense`, `spelling`,
`broken`, `containers`, `late`), by the contract and by hand. This module only puts them together.

    write_landing(data_dir)                    all files but the late ones
    expected_status()                          what must be known at the end of 2024-03-05
    expected_status(as_of=MAR_2)               ... at the end of 2024-03-02
    write_late_landing(data_dir)               then backfill from 2024-03-02 on
    expected_status(late=True)

An answer whose `why` begins with "Assumed" is one that the contract suggests but does not spell out.
"""

from collections.abc import Collection
from datetime import date
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

from . import arrival, broken, containers, late, resent, sense, spelling
from .filler import honest_filler
from .plan import (
    FEEDBACK_STATES,
    JAN_15,
    JAN_16,
    MAR_1,
    MAR_2,
    MAR_3,
    MAR_4,
    MAR_5,
    LandingFile,
    Planted,
    Stream,
)  # fmt: skip
from .writing import encode

# The partitions with files. 2024-01-17 to 2024-02-29 have none.
DAYS = (JAN_15, JAN_16, MAR_1, MAR_2, MAR_3, MAR_4, MAR_5)
LAST_DAY = MAR_5
LATE_DAY = MAR_2  # the day in which the late files land

_TABLES = (arrival, resent, sense, spelling, broken, containers, late)
PLANTED_FILES: tuple[LandingFile, ...] = tuple(
    chain.from_iterable((*table.INFERENCES, *table.FEEDBACK) for table in _TABLES)
)
FILLER_FILES: tuple[LandingFile, ...] = (
    *honest_filler(JAN_15, pairs=60, suffix=""),
    *honest_filler(JAN_16, pairs=60, suffix=".gz"),
    *honest_filler(MAR_1, pairs=250, suffix=""),
    *honest_filler(MAR_2, pairs=250, suffix=".gz"),
    *honest_filler(MAR_3, pairs=250, suffix=".zst"),
    *honest_filler(MAR_4, pairs=250, suffix=""),
    *honest_filler(MAR_5, pairs=250, suffix=".gz"),
)
FILES: tuple[LandingFile, ...] = PLANTED_FILES + FILLER_FILES

PLANTED: tuple[Planted, ...] = tuple(chain.from_iterable(file.lines for file in PLANTED_FILES))
FILLER: tuple[Planted, ...] = tuple(chain.from_iterable(file.lines for file in FILLER_FILES))
_LATE_PATHS = frozenset((file.stream, file.received_date, file.name) for file in PLANTED_FILES if file.late)

# Orphans of 03-01 that no file here ever resolves: (source_file, source_line, request_id).
# As of 2024-03-05 each is `pending` / `awaiting_inference`. As of ORPHANS_GIVEN_UP_BY, the first
# partition more than 31 days later, each is `invalid` / `unknown_request`, whether or not that day
# has files. Orphans received on 03-03 to 03-05 are still `pending` then; what one of 03-01 is on
# the 30th and the 31st day, the contract leaves open.
ORPHAN_LATER: tuple[tuple[str, int, str], ...] = (
    ("arrival.jsonl", 10, "req-never"),
    ("arrival.jsonl", 11, "req-never-alias"),
    ("arrival.jsonl", 12, "req-never"),
    ("arrival.jsonl", 13, "req-in-ignored-file"),
)
ORPHANS_GIVEN_UP_BY = date(2024, 4, 2)


def write_landing(
    root: Path,
    *,
    only: Collection[date | str] | None = None,
    exclude: Collection[date | str] | None = None,
) -> list[Path]:
    """Write `root`/landing without the late files, and say which files were written.

    `only` and `exclude` choose files by received date or by a pattern of their path below landing,
    as in `feedback/dt=2024-03-01/*` or `*/filler.jsonl*`.
    """
    return _write(root, [file for file in FILES if not file.late], only=only, exclude=exclude)


def write_late_landing(root: Path) -> list[Path]:
    """Write the late files into a landing folder that is there already."""
    return _write(root, [file for file in FILES if file.late], only=None, exclude=None)


def expected_status(*, as_of: date = LAST_DAY, late: bool = False) -> list[dict[str, Any]]:
    """The rows that `feedback_status` must have at the end of `as_of`, in order of line.

    A `feedback_id` None stands for any derived id (see `same_content_groups`), in a dead letter
    both ids None for anything.
    """
    rows = [_row(line, as_of, late) for line in _received("feedback", as_of=as_of, late=late)]
    return sorted(rows, key=_place)


def expected_accounts(*, as_of: date = LAST_DAY, late: bool = False) -> list[dict[str, Any]]:
    """A row a received date up to `as_of`: `lines_received` and each of the six states' count."""
    accounts = {
        day: {"received_date": day, "lines_received": 0} | dict.fromkeys(FEEDBACK_STATES, 0)
        for day in DAYS
        if day <= as_of
    }
    for row in expected_status(as_of=as_of, late=late):
        account: dict[str, Any] = accounts[row["received_date"]]
        account["lines_received"] += 1
        account[row["state"]] += 1
    return list(accounts.values())


def expected_dead_inference_lines(*, as_of: date = LAST_DAY, late: bool = False) -> list[dict[str, Any]]:
    """The rows of stream `inferences` that `dead_letter` must have, in order of line."""
    rows = [
        {
            "received_date": line.received_date,
            "source_file": line.file,
            "source_line": line.source_line,
            "reason": line.reason,
        }
        for line in _received("inferences", as_of=as_of, late=late)
        if line.state == "dead_letter"
    ]
    return sorted(rows, key=_place)


def expected_inference_lines(*, as_of: date = LAST_DAY, late: bool = False) -> dict[date, int]:
    """How many inference lines were received on each day, the dead letters included."""
    received = _received("inferences", as_of=as_of, late=late)
    return {day: sum(line.received_date == day for line in received) for day in DAYS if day <= as_of}


def same_content_groups() -> dict[str, list[tuple[date, str, int]]]:
    """Places of lines without id whose derived ids must be equal, by a word for their content.

    Lines of different groups, and lines without id in no group, must have different ones.
    """
    groups: dict[str, list[tuple[date, str, int]]] = {}
    for line in PLANTED:
        if line.same_content is not None:
            place = (line.received_date, line.file, line.source_line)
            groups.setdefault(line.same_content, []).append(place)
    return groups


def _received(stream: Stream, *, as_of: date, late: bool) -> list[Planted]:
    return [
        line
        for line in PLANTED + FILLER
        if line.stream == stream
        and line.received_date <= as_of
        and (late or (line.stream, line.received_date, line.file) not in _LATE_PATHS)
    ]


def _row(line: Planted, as_of: date, late: bool) -> dict[str, Any]:
    answer = line.after_late if late and line.after_late else line
    known = answer.settled_on is None or answer.settled_on <= as_of
    return {
        "received_date": line.received_date,
        "source_file": line.file,
        "source_line": line.source_line,
        "state": answer.state if known else "pending",
        "reason": answer.reason if known else "awaiting_inference",
        "feedback_id": line.feedback_id,
        "request_id": line.request_id,
        "attributed_date": answer.attributed_date if known else None,
    }


def _place(row: dict[str, Any]) -> tuple[date, str, int]:
    return row["received_date"], row["source_file"], row["source_line"]


def _write(
    root: Path,
    files: list[LandingFile],
    *,
    only: Collection[date | str] | None,
    exclude: Collection[date | str] | None,
) -> list[Path]:
    written = []
    for file in files:
        if only is not None and not _chosen(file, only):
            continue
        if exclude is not None and _chosen(file, exclude):
            continue
        path = root / "landing" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(file))
        written.append(path)
    return written


def _chosen(file: LandingFile, selectors: Collection[date | str]) -> bool:
    return any(
        file.received_date == selector if isinstance(selector, date) else fnmatchcase(file.path, selector)
        for selector in selectors
    )
