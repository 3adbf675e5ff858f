"""The plan must be sound by itself, or the tests that lean on it prove nothing.

Nothing of the product is imported: the landing files are read back with the standard library and
pyarrow only. The counts are typed in by hand, so that a line lost from a table is noticed.
"""

import gzip
import hashlib
import json
import zlib
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from .plan import (
    FEEDBACK_STATES,
    INFERENCE_STATES,
    JAN_15,
    JAN_16,
    MAR_1,
    MAR_2,
    MAR_3,
    MAR_4,
    MAR_5,
    Planted,
)
from .reading import lines_of
from .scenario import (
    DAYS,
    FILES,
    FILLER,
    ORPHAN_LATER,
    ORPHANS_GIVEN_UP_BY,
    PLANTED,
    expected_accounts,
    expected_dead_inference_lines,
    expected_inference_lines,
    expected_status,
    same_content_groups,
    write_landing,
    write_late_landing,
)  # fmt: skip
from .undecided import UNDECIDED, write_undecided
from .writing import encode

MAX_SHARE = 0.20  # of a day's lines; the default gate blocks above it
REASONS = {
    "attributed": {"matched_request_id"},
    "pending": {"awaiting_inference"},
    "invalid": {
        "timestamp_in_future", "before_inference", "outside_window", "value_out_of_range",
        "unknown_target", "unknown_request",
    },
    "duplicate": {"duplicate_feedback_id"},
    "dead_letter": {
        "not_json", "not_an_object", "no_reference", "wrong_type", "not_in_enumeration",
        "unparsable_timestamp", "missing_required_field", "conflicting_field", "not_utf8",
        "line_too_long", "truncated_file", "unreadable_file", "conflicting_request_id",
    },
}  # fmt: skip


def test_every_line_has_a_place_of_its_own() -> None:
    """Two answers for one place would let any verdict pass."""
    places = Counter((x.stream, x.received_date, x.file, x.source_line) for x in PLANTED + FILLER)
    assert [place for place, count in places.items() if count > 1] == []
    assert len({file.path for file in FILES}) == len(FILES)
    assert all(line.received_date in DAYS and line.source_line > 0 for line in PLANTED + FILLER)


def test_every_state_and_reason_is_planted_and_none_else() -> None:
    """`requires_human_review` is left to the issue that brings its rules."""
    planted: dict[str, set[str]] = {}
    for line in PLANTED:
        if line.state not in ("counts", "ignored"):
            planted.setdefault(line.state, set()).add(line.reason)
        states = FEEDBACK_STATES if line.stream == "feedback" else INFERENCE_STATES
        assert line.state in states, line
        assert line.why
    assert planted == REASONS


def test_the_plan_has_its_size() -> None:
    """A table that is no longer part of the scenario would make every test greener."""
    assert Counter(line.stream for line in PLANTED) == {"feedback": 287, "inferences": 84}
    assert len(FILLER) == 2 * (2 * 60 + 5 * 250)


@pytest.mark.parametrize("late", [False, True])
def test_no_day_is_blocked_by_the_default_gate(late: bool) -> None:
    """The scenario must run through; what the gate stops is another scenario's matter."""
    dead = Counter(row["received_date"] for row in expected_dead_inference_lines(late=late))
    lines = expected_inference_lines(late=late)
    assert all(dead[day] <= MAX_SHARE * lines[day] for day in DAYS)
    for account in expected_accounts(late=late):
        assert account["dead_letter"] <= MAX_SHARE * account["lines_received"], account
        assert account["invalid"] <= MAX_SHARE * account["lines_received"], account


@pytest.mark.parametrize("late", [False, True])
def test_answers_are_consistent_in_themselves(late: bool) -> None:
    """Catches slips of the hand, such as an attributed line without its partition."""
    for row in expected_status(late=late):
        attributed = row["state"] == "attributed"
        assert (row["attributed_date"] is not None) == attributed, row
        assert (row["request_id"] is None) == (row["state"] == "dead_letter"), row
        if attributed:
            assert row["received_date"] <= row["attributed_date"] <= MAR_5, row


def test_each_attributed_line_has_an_inference_that_counts_and_arrived_by_then() -> None:
    """The partition typed in must be the later of the two days that the tables place it on."""
    for late in (False, True):
        arrived: dict[str | None, date] = {}
        late_names = {file.name for file in FILES if file.late}
        for line in PLANTED + FILLER:
            if line.state == "counts" and (late or line.file not in late_names):
                assert line.request_id not in arrived, line
                arrived[line.request_id] = line.received_date
        for row in expected_status(late=late):
            if row["state"] == "attributed":
                later = max(row["received_date"], arrived[row["request_id"]])
                assert row["attributed_date"] == later, row
            if row["state"] == "pending":
                assert row["request_id"] not in arrived, row


def test_a_duplicate_has_a_first_and_only_one() -> None:
    """An id, or a content without id, that occurs n times must be a duplicate n - 1 times."""
    for late in (False, True):
        firsts: set[str] = set()
        content = {place: word for word, group in same_content_groups().items() for place in group}
        for row in expected_status(late=late):
            if row["state"] == "dead_letter":
                continue
            place = (row["received_date"], row["source_file"], row["source_line"])
            key = row["feedback_id"] or f"content of {content.get(place, place)}"
            assert (key in firsts) == (row["state"] == "duplicate"), row
            firsts.add(key)


def test_only_lines_that_say_so_have_the_same_content() -> None:
    """Two lines of one content outside of a group would be a duplicate that no table expects."""
    words: dict[str, set[str | None]] = {}
    for line in PLANTED + FILLER:
        sound = line.stream == "feedback" and line.state != "dead_letter"
        if sound and line.feedback_id is None:
            event = json.loads(line.raw)
            event |= event.pop("feedback", None) or {}
            event |= {"request_id": event.pop("inference_request_id", None) or event["request_id"]}
            content = sorted((k, v) for k, v in event.items() if v is not None)
            text = json.dumps(content).replace("+00:00", "Z").replace("3.0", "3")
            words.setdefault(text, set()).add(line.same_content or f"{line.file} {line.raw!r}")
    assert [found for found in words.values() if len(found) > 1] == []
    named = [next(iter(found)) for found in words.values()]
    assert len(named) == len(set(named))


def test_the_accounts_are_those_counted_by_hand() -> None:
    """The states add up to the lines, and no line moves between states unnoticed.

    Attributed are 60 or 250 of the filler and the rest of the planted ones.
    """
    # Nobody is erased here.
    columns = ("lines_received", *(state for state in FEEDBACK_STATES if state != "erased"))
    accounts = {a["received_date"]: tuple(a[c] for c in columns) for a in expected_accounts()}
    assert accounts == {
        #        lines  attr  pend  rev  inv  dup  dead
        JAN_15: (64, 62, 0, 0, 2, 0, 0),
        JAN_16: (62, 61, 0, 0, 1, 0, 0),
        MAR_1: (325, 284, 10, 0, 15, 15, 1),
        MAR_2: (299, 263, 5, 0, 7, 3, 21),
        MAR_3: (308, 300, 3, 0, 0, 5, 0),
        MAR_4: (312, 270, 7, 0, 1, 4, 30),
        MAR_5: (287, 261, 2, 0, 0, 2, 22),
    }
    for counts in accounts.values():
        assert sum(counts[1:]) == counts[0]


def test_as_of_an_earlier_day_nothing_later_is_known() -> None:
    """What a partition says must not depend on what was received after it."""
    for day in DAYS:
        rows = expected_status(as_of=day)
        assert {row["received_date"] for row in rows} == {d for d in DAYS if d <= day}
        assert all(row["attributed_date"] <= day for row in rows if row["attributed_date"])
    # 15 wait until the end of 03-05, 8 more find their inference on 03-03 to 03-05.
    before = expected_status(as_of=MAR_2)
    assert sum(row["state"] == "pending" for row in before) == 15 + 8


def test_the_late_files_change_exactly_the_lines_that_wait_for_them() -> None:
    """A backfill that moves any other line has rewritten history."""
    before, after = expected_status(), expected_status(late=True)
    changed = [(b, a) for b, a in zip(before, after, strict=True) if b != a]
    assert len(changed) == 14
    assert all(b["state"] == "pending" for b, _ in changed)
    assert Counter(a["state"] for _, a in changed) == {"attributed": 10, "invalid": 4}


def test_orphans_are_given_up_more_than_31_days_later() -> None:
    """The helper list must name the orphans of 03-01, all of them and no other line."""
    orphans = [
        (row["source_file"], row["source_line"], row["request_id"])
        for row in expected_status(late=True)
        if row["received_date"] == MAR_1 and row["state"] == "pending"
    ]
    assert tuple(orphans) == ORPHAN_LATER
    assert MAR_1 + timedelta(days=31) < ORPHANS_GIVEN_UP_BY


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """Digests, manifests and version names are compared between runs of this landing."""
    digests = []
    for name in ("once", "again"):
        paths = write_landing(tmp_path / name)
        digests.append({str(p.relative_to(tmp_path / name)): _sha256(p) for p in paths})
    assert digests[0] == digests[1]
    assert len(digests[0]) == len([file for file in FILES if not file.late])


def test_only_and_exclude_choose_files(tmp_path: Path) -> None:
    """Tests land day by day, and a stream or a file without the rest."""
    assert {p.parent.name for p in write_landing(tmp_path / "a", only=[MAR_2])} == {"dt=2024-03-02"}
    chosen = write_landing(tmp_path / "b", only=["feedback/*"], exclude=[MAR_1, "*/filler*"])
    assert {p.parent.parent.name for p in chosen} == {"feedback"}
    assert not any("filler" in p.name or p.parent.name == "dt=2024-03-01" for p in chosen)


def test_what_lands_is_what_was_planted(tmp_path: Path) -> None:
    """Reads every file back by other means than those that wrote it."""
    write_landing(tmp_path)
    write_late_landing(tmp_path)
    paths = [p for p in (tmp_path / "landing").rglob("*") if p.is_file()]
    assert len(paths) == len(FILES)
    received: Counter[tuple[str, date]] = Counter()
    for path in paths:
        if path.name.startswith(("_", ".")):
            continue
        stream, day = path.parent.parent.name, date.fromisoformat(path.parent.name[3:])
        planted = {
            line.source_line: line
            for line in PLANTED + FILLER
            if (line.stream, line.received_date, line.file) == (stream, day, path.name)
        }
        received[stream, day] += len(planted)
        if any(line.reason == "unreadable_file" for line in planted.values()):
            assert len(planted) == 1
            continue
        lines = lines_of(path)
        assert lines.keys() == planted.keys(), path
        for number, raw in lines.items():
            _assert_is(planted[number], raw)
    totals = {a["received_date"]: a["lines_received"] for a in expected_accounts(late=True)}
    assert {d: n for (stream, d), n in received.items() if stream == "feedback"} == totals
    inferences = {d: n for (stream, d), n in received.items() if stream == "inferences"}
    assert inferences == expected_inference_lines(late=True)


def test_a_cut_stream_breaks_off_after_its_complete_lines() -> None:
    """Where the break is must not depend on who decompresses."""
    for file in FILES:
        if file.cut and file.name.endswith(".gz"):
            stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            text = stream.decompress(encode(file))
            assert not stream.eof
            assert text.count(b"\n") == len(file.body) - 1
            with pytest.raises(EOFError):
                gzip.decompress(encode(file))


def test_undecided_lines_land(tmp_path: Path) -> None:
    """They only have to be there: the contract gives no answer to compare with."""
    assert write_undecided(tmp_path).read_bytes().count(b"\n") == len(UNDECIDED)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _assert_is(line: Planted, raw: bytes) -> None:
    if line.reason == "truncated_file":
        return
    if line.file.endswith(".parquet"):
        row = {key: value for key, value in json.loads(raw).items() if value is not None}
        expected = {k: v for k, v in json.loads(line.raw).items() if v is not None}
        assert row == expected, line.why
        return
    assert raw == line.landed(), line.why
    sound = line.reason not in ("not_json", "not_utf8", "not_an_object", "line_too_long")
    if sound and not line.padded_to:
        assert isinstance(json.loads(raw.decode()), dict), line.why
