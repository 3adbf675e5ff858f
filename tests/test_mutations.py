"""Ten thousand mutated lines: whatever lands, a run ends well, and each line is told the truth about itself.

`mutations.py` makes the lines, `line_oracle.py` says by the published schemas and the contract what may become
of each. A line that the platform judges otherwise is shown with both judgements; Hypothesis shrinks it.
"""

import tempfile
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.ledger import load_partition
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.settings import Settings
from tests.line_oracle import ALIASES, lines_of, parsed, published, verdict, versions
from tests.mutations import line
from tests.platform_under_test import Platform

DAYS = [date(2024, 5, day) for day in (1, 2, 3)]
LINES = {"feedback": 6_000, "inferences": 3_000, "reviews": 1_000}
MAX_LINE_BYTES = 16_384
SEED = 20240501

Place = tuple[date, str, int]


def disagreements(stream: str, content: bytes, found: dict[int, str | None]) -> list[str]:
    """The lines of a file of which the platform says what is not so; `found` has a reason or None for a line."""
    landed = dict(lines_of(content))
    wrong = [f"line {number} is none and was found" for number in found.keys() - landed.keys()]
    for number, raw in landed.items():
        if number not in found:
            wrong.append(f"{stream} line {number} was lost: {raw[:300]!r}")
            continue
        truth = verdict(stream, raw, max_line_bytes=MAX_LINE_BYTES)
        if not truth.allows(found[number]):
            said = found[number] or "sound"
            wrong.append(f"{stream}: {raw[:400]!r} is {said}; {sorted(truth.must)} is true, {sorted(truth.may)} may be")
    return wrong


def ledger_rows(path: Path) -> list[dict[str, Any]]:
    """A ledger file as Python reads it; a time before year 1 or after 9999 would end that."""
    return list(pq.read_table(path).to_pylist())


def lost_values(raw: bytes, row: dict[str, Any]) -> list[str]:
    """The texts and unknown fields of a sound line that its ledger row does not have as they were sent."""
    event = parsed(raw.removeprefix(b"\xef\xbb\xbf"))
    if event.repeated:
        return []
    known = published(row["stream"], event.get("schema_version"))["properties"]
    # What a later version knows has a column of its own, into which it was lifted.
    later = {name for schema in versions(row["stream"]).values() for name in schema["properties"]}
    extras = parsed((row["extras"] or "{}").encode())
    lost = [f"{raw[:300]!r}: {key!r} is not in extras" for key in event.keys() - later - extras.keys()]
    for name, value in event.items():
        schema = known.get(name, {})
        if isinstance(value, str) and value and "string" in schema.get("type", ()) and "format" not in schema:
            column = ALIASES.get(name, name)
            if column in row and row[column] != value:
                lost.append(f"{raw[:300]!r}: {name} became {row[column]!r}")
    return lost


# The first line that is judged wrongly is shown as it is. `Phase.shrink` beside it cuts it to what is wrong with
# it, which takes minutes: every attempt loads a partition.
@settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(rng=st.randoms(use_true_random=False), lines=st.integers(1, 20), which=st.integers(0, len(STREAMS) - 1))
def test_the_ledger_tells_the_truth_about_each_line(rng: Random, lines: int, which: int) -> None:
    """Small files of one stream, in which each choice is Hypothesis's."""
    stream = STREAMS[which]
    content = b"".join(line(rng, stream.name) + b"\n" for _ in range(lines))
    with tempfile.TemporaryDirectory() as folder:
        environment = Settings.from_env({"FEEDBACK_DATA_DIR": folder})
        landing = Path(folder) / "landing" / stream.name / f"dt={DAYS[0]}"
        landing.mkdir(parents=True)
        (landing / "events.jsonl").write_bytes(content)
        load_partition(replace(environment, max_line_bytes=MAX_LINE_BYTES), stream, DAYS[0])
        rows = ledger_rows(Path(environment.ledger_url) / ledger_path(stream.name, DAYS[0]))
    found = {row["source_line"]: row["dead_letter_reason"] for row in rows}
    assert disagreements(stream.name, content, found) == []
    landed = dict(lines_of(content))
    sound = [{**row, "stream": stream.name} for row in rows if row["dead_letter_reason"] is None]
    assert [lost for row in sound for lost in lost_values(landed[row["source_line"]], row)] == []


# -- all of them through the pipeline -------------------------------------------------------------------


@pytest.fixture(scope="module")
def landed() -> dict[tuple[str, date, str], bytes]:
    """Ten thousand lines in files of three days; some files begin with a mark, end lines with CRLF, or break off."""
    rng = Random(SEED)
    files = {}
    for stream, count in LINES.items():
        for i, day in enumerate(DAYS):
            lines = [line(rng, stream) for _ in range(count // len(DAYS))]
            half = len(lines) // 2
            files[stream, day, "a.jsonl"] = (b"\xef\xbb\xbf" if i == 0 else b"") + b"\n".join(lines[:half])
            files[stream, day, "b.jsonl"] = b"".join(made + (b"\r\n" if i == 1 else b"\n") for made in lines[half:])
    return files


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, landed: dict[tuple[str, date, str], bytes]
) -> tuple[Platform, int]:
    """The platform after one run over all of it, with gates that let everything pass; and the run's exit code."""
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("mutations"))
    for (stream, day, name), content in landed.items():
        folder = platform.data_dir / "landing" / stream / f"dt={day}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    thresholds = platform.data_dir / "thresholds.yml"
    thresholds.write_text("max_dead_letter_share: 1\nmax_invalid_share: 1\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEEDBACK_THRESHOLDS", str(thresholds))
        environment.setenv("FEEDBACK_MAX_LINE_BYTES", str(MAX_LINE_BYTES))
        return platform, platform.run(DAYS[0], DAYS[-1])


@pytest.fixture(scope="module")
def dead_letters(platform: tuple[Platform, int]) -> dict[str, dict[Place, str]]:
    """Stream to place to reason."""
    found: dict[str, dict[Place, str]] = {stream: {} for stream in LINES}
    for row in platform[0].query("from marts.dead_letter"):
        place = (row["received_date"], Path(row["source_file"]).name, row["source_line"])
        assert place not in found[row["stream"]], f"{row['stream']} {place} is dead twice"
        found[row["stream"]][place] = row["reason"]
    return found


def test_ten_thousand_mutated_lines_end_no_run(
    platform: tuple[Platform, int], landed: dict[tuple[str, date, str], bytes]
) -> None:
    assert platform[1] == 0
    lines = Counter(stream for (stream, _, _), content in landed.items() for _ in lines_of(content))
    assert lines.total() > 9_000
    assert len({raw for content in landed.values() for _, raw in lines_of(content)}) > 7_000


def test_each_feedback_line_is_in_exactly_one_state_and_it_is_true(
    platform: tuple[Platform, int], landed: dict[tuple[str, date, str], bytes]
) -> None:
    states: dict[tuple[date, str], dict[int, str | None]] = {}
    for row in platform[0].query("from marts.feedback_status"):
        of_file = states.setdefault((row["received_date"], Path(row["source_file"]).name), {})
        assert row["source_line"] not in of_file, f"two states: {row}"
        of_file[row["source_line"]] = row["reason"] if row["state"] == "dead_letter" else None
        assert row["reason"]
    wrong = [
        said
        for (stream, day, name), content in landed.items()
        if stream == "feedback"
        for said in disagreements(stream, content, states[day, name])
    ]
    assert wrong == []


def test_each_line_of_the_other_streams_is_typed_or_dead_for_a_true_reason(
    platform: tuple[Platform, int],
    landed: dict[tuple[str, date, str], bytes],
    dead_letters: dict[str, dict[Place, str]],
) -> None:
    wrong = []
    for stream in ("inferences", "reviews"):
        for day in DAYS:
            ledger = platform[0].data_dir / "ledger" / ledger_path(stream, day)
            judged: dict[str, dict[int, str | None]] = {"a.jsonl": {}, "b.jsonl": {}}
            for row in ledger_rows(ledger):
                name, number = Path(row["source_file"]).name, row["source_line"]
                judged[name][number] = row["dead_letter_reason"]
                told = dead_letters[stream].get((day, name, number))
                if told != row["dead_letter_reason"] and told != "conflicting_request_id":
                    wrong.append(f"{stream} {day} {name} {number}: {row['dead_letter_reason']} but {told} is told")
            for name, found in judged.items():
                wrong += disagreements(stream, landed[stream, day, name], found)
    assert wrong == []


def test_conflicting_inferences_had_another_before_them(
    platform: tuple[Platform, int], dead_letters: dict[str, dict[Place, str]]
) -> None:
    places: dict[str, list[Place]] = {}
    for day in DAYS:
        for row in ledger_rows(platform[0].data_dir / "ledger" / ledger_path("inferences", day)):
            if row["dead_letter_reason"] is None:
                place = (day, Path(row["source_file"]).name, row["source_line"])
                places.setdefault(row["request_id"], []).append(place)
    conflicting = {p for p, reason in dead_letters["inferences"].items() if reason == "conflicting_request_id"}
    assert conflicting
    repeated = {place for of_id in places.values() for place in sorted(of_id)[1:]}
    assert conflicting <= repeated


def test_the_accounts_of_each_day_add_up(
    platform: tuple[Platform, int], landed: dict[tuple[str, date, str], bytes]
) -> None:
    accounts = {row.pop("received_date"): row for row in platform[0].query("from marts.daily_accounts")}
    for day in DAYS:
        lines = [
            n for (stream, on, _), c in landed.items() if (stream, on) == ("feedback", day) for n, _ in lines_of(c)
        ]
        assert accounts[day].pop("lines_received") == len(lines) == sum(accounts[day].values())
    total = Counter[str]()
    for row in accounts.values():
        total.update(row)
    assert min(total[state] for state in ("dead_letter", "duplicate", "invalid", "pending", "attributed")) > 0, total
