"""An erasure's parts, on files alone: what is found, how files are rewritten, what is known of the person then."""

import gzip
import json
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.lib.erasure.apply import apply_erasures
from orchestration.lib.erasure.compact import write_warehouse_anew
from orchestration.lib.erasure.events import land_erasure, raw_user_id, scrub_erasure
from orchestration.lib.erasure.known import REPORT, is_complete, known_subjects, received_erasures, report_folder
from orchestration.lib.erasure.late import keep_late, noted_late
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.plan import open_plans
from orchestration.lib.erasure.subjects import Subjects
from orchestration.lib.ledger import load_partition
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.settings import Settings, StateError
from tests.traffic import inference, land, thumbs

DAY = date(2024, 6, 1)
PERSON = "user-4711-x"
KEYS = ("a key of the test that is long enough", "another key of the test")


def settings_of(folder: Path, **env: str) -> Settings:
    return Settings.from_env({"FEEDBACK_DATA_DIR": str(folder), **env})


def of_person(n: int, **more: object) -> str:
    return json.dumps({**json.loads(inference(DAY, n)), "user_id": PERSON, **more})


def rows(settings: Settings, stream: Stream, *columns: str) -> list[dict[str, object]]:
    return (
        pq.ParquetFile(Path(settings.ledger_url) / ledger_path(stream.name, DAY))
        .read(list(columns) or None)
        .to_pylist()
    )


def reasons(settings: Settings) -> list[object]:
    return [row["dead_letter_reason"] for row in rows(settings, INFERENCES, "dead_letter_reason")]


def load(settings: Settings) -> None:
    for stream in (INFERENCES, FEEDBACK):
        load_partition(settings, stream, DAY, tell=lambda _: None, keep_late=lambda late: None)


def erase(settings: Settings, *, line: str | None = None) -> None:
    if line:
        land(settings.data_dir, "erasures", DAY, [line])
    else:
        land_erasure(settings, PERSON, reason=None, received_date=DAY)
    apply_erasures(settings, tell=lambda _: None)


def complete(settings: Settings) -> None:
    """As if the second half had been done: its marks, without the warehouse."""
    for one in (one for one in received_erasures(settings) if not is_complete(settings, one)):
        scrub_erasure(settings, one)
        folder = report_folder(settings, one.erasure_id)
        folder.mkdir(parents=True, exist_ok=True)
        told = {"erasure_id": one.erasure_id, "subject": one.subject, "events_until": one.until.isoformat()}
        (folder / REPORT).write_text(json.dumps(told), encoding="utf-8")


def test_a_name_is_found_by_itself_in_every_spelling_and_in_no_longer_one() -> None:
    names = Names.of(["jürgen-12", "1234567", "short"])
    assert names.are_in(b"1234567") and not names.are_in(b"1234567", is_last=False)
    assert not names.are_in(b"1234567 ", is_first=False) and names.are_in(b" 1234567 ", is_first=False, is_last=False)
    assert names.are_in('{"by": "jürgen-12"}'.encode()) and names.are_in(rb'{"by": "j\u00fcrgen-12"}')
    assert not names.are_in(b'{"by": "j\\u00fcrgen-123", "n": 12345678, "x": "a-1234567", "y": "short"}')
    scrubbed = names.scrubbed(b'{"n": 1234567, "t": "of 1234567, [1234567]", "l": [1234567, 2]}')
    assert json.loads(scrubbed) == {"n": "<ERASED>", "t": "of <ERASED>, [<ERASED>]", "l": ["<ERASED>", 2]}
    scrubbed = names.scrubbed(b'{"\\" 1234567": -1.50,  "n": [1234567.5, -1234567,12345678] , "by": 1234567 of them}')
    assert scrubbed == b'{"\\" <ERASED>": -1.50,  "n": [<ERASED>.5, -1234567,12345678] , "by": <ERASED> of them}'
    scrubbed = names.scrubbed(b'{"\\" 1234567": -1.50,  "n": [1234567.5, -1234567,12345678] }')
    assert scrubbed == b'{"\\" <ERASED>": -1.50,  "n": ["<ERASED>", -1234567,12345678] }', "every other byte stays"


@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_line_of_another_that_is_nested_deeper_than_python_reads_is_rewritten(tmp_path: Path, depth: int) -> None:
    """It stopped the erasure, and with it every run."""
    settings = settings_of(tmp_path)
    deep = f'{inference(DAY, 3)[:-1]}, "by": 4711471147, "deep": {"[" * depth}"4711471147"{"]" * depth}}}'
    file = land(tmp_path, "inferences", DAY, [inference(DAY, 1), deep])
    land(tmp_path, "feedback", DAY, [thumbs(DAY, 1)])
    load(settings)
    erase(settings, line='{"user_id": "4711471147"}')
    assert reasons(settings) == [None, None], "what was JSON still is"
    assert file.read_text().splitlines()[1] == deep.replace('"4711471147"', '"<ERASED>"').replace(
        "4711471147", '"<ERASED>"'
    )


def test_a_day_whose_landing_files_are_gone_is_rewritten_in_the_ledger(tmp_path: Path) -> None:
    """By the same rows as a load of the rewritten files would make; a second time changes nothing."""
    ledgers = []
    for is_gone in (False, True):
        settings = settings_of(tmp_path / f"gone-{is_gone}")
        lines = [inference(DAY, 1), of_person(2), inference(DAY, 3).replace("question 3", f"ask {PERSON}")]
        file = land(settings.data_dir, "inferences", DAY, lines)
        feedback = land(settings.data_dir, "feedback", DAY, [thumbs(DAY, 1), thumbs(DAY, 2)])
        load(settings)
        if is_gone:
            file.unlink(), feedback.unlink()
        erase(settings, line=json.dumps({"user_id": PERSON}))
        ledgers.append([rows(settings, stream) for stream in (INFERENCES, FEEDBACK)])
        before = (Path(settings.ledger_url) / ledger_path("inferences", DAY)).read_bytes()
        apply_erasures(settings, tell=lambda _: None)
        assert (Path(settings.ledger_url) / ledger_path("inferences", DAY)).read_bytes() == before
    assert ledgers[0] == ledgers[1]
    assert [row["dead_letter_reason"] for row in ledgers[0][0]] == [None, "erased", None]
    assert [row["dead_letter_reason"] for row in ledgers[0][1]] == [None, "erased"]
    assert "<ERASED>" in str(ledgers[0][0][2]["input"]) and PERSON not in str(ledgers)


def test_the_unreadable_rest_of_a_damaged_file_goes_with_its_lines(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    lines = [inference(DAY, 1), of_person(2), *(inference(DAY, n) for n in range(3, 400))]
    land(settings.data_dir, "feedback", DAY, [thumbs(DAY, 1)])
    damaged = gzip.compress("".join(f"{line}\n" for line in lines).encode())[:-200]
    path = tmp_path / "landing" / "inferences" / f"dt={DAY}" / "events.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(damaged)
    load(settings)
    before = rows(settings, INFERENCES, "dead_letter_reason", "request_id")
    assert before[-1]["dead_letter_reason"] == "truncated_file"
    erase(settings)
    after = rows(settings, INFERENCES, "dead_letter_reason", "request_id")
    assert [row["dead_letter_reason"] for row in (after[1], after[-1])] == ["erased", "erased"]
    assert len(after) == len(before) and after[2:-1] == before[2:-1]
    assert PERSON.encode() not in gzip.decompress(path.read_bytes())


def test_what_a_person_does_after_their_erasure_is_kept(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    later = of_person(3, timestamp=f"{DAY}T23:00:00Z")
    land(settings.data_dir, "inferences", DAY, [of_person(2), later])
    land(settings.data_dir, "feedback", DAY, [thumbs(DAY, 1)])
    load(settings)
    erase(settings, line=json.dumps({"user_id": PERSON, "timestamp": f"{DAY}T12:00:00Z"}))
    assert [row["user_id"] for row in rows(settings, INFERENCES, "user_id")] == [None, PERSON]
    assert [plan.kept for plan in open_plans(settings)] == [1]


def test_a_session_with_others_is_theirs_too(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    anonymous = {"user_id": None, "session_id": "sess-both-1"}
    land(
        settings.data_dir, "inferences", DAY,
        [of_person(1, session_id="sess-both-1"), of_person(2, **anonymous),
         json.dumps({**json.loads(inference(DAY, 3)), "session_id": "sess-both-1"})],
    )  # fmt: skip
    land(settings.data_dir, "feedback", DAY, [thumbs(DAY, 2)])
    load(settings)
    erase(settings)
    assert [row["dead_letter_reason"] for row in rows(settings, INFERENCES, "dead_letter_reason")] == [
        "erased",
        None,
        None,
    ]


def test_keys_decide_what_is_kept_of_a_person_and_may_be_added(tmp_path: Path) -> None:
    plain, keyed = Subjects(Pseudonyms(())), Subjects(Pseudonyms((KEYS[0].encode(),)))
    assert plain.of(PERSON) != keyed.of(PERSON) and keyed.of(keyed.of(PERSON)) == keyed.of(PERSON)
    settings = settings_of(tmp_path, FEEDBACK_PSEUDONYM_KEY=KEYS[0])
    land(settings.data_dir, "inferences", DAY, [of_person(1)])
    land(settings.data_dir, "feedback", DAY, [thumbs(DAY, 5)])
    load(settings)
    erase(settings)
    (erasure,) = received_erasures(settings)
    assert raw_user_id(settings, erasure) == PERSON
    # It is complete, and not known before: what hangs on a line is found by the line.
    assert not known_subjects(settings)
    complete(settings)
    assert known_subjects(settings).keys() == {erasure.subject}
    with pytest.raises(StateError, match="land the erasure again"):
        raw_user_id(settings, erasure)
    rotated = settings_of(tmp_path, FEEDBACK_PSEUDONYM_KEY=",".join(KEYS))
    file = land(tmp_path, "inferences", DAY, [inference(DAY, 8), of_person(9)], name="late.jsonl")
    load_partition(
        rotated, INFERENCES, DAY, tell=lambda _: None, keep_late=lambda late: keep_late(rotated, INFERENCES, DAY, late)
    )
    assert [row["dead_letter_reason"] for row in rows(rotated, INFERENCES, "dead_letter_reason")] == [
        "erased",
        None,
        "erased",
    ]
    assert PERSON in file.read_text()
    apply_erasures(rotated, tell=lambda _: None)
    assert PERSON not in file.read_text() and not noted_late(rotated)


def test_a_load_opens_no_other_day_and_no_report_twice(tmp_path: Path, opened: list[str]) -> None:
    """A range of days opened every file of the stream and every report for each of its days."""
    settings = settings_of(tmp_path)
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]
    for day in days:
        land(tmp_path, "inferences", day, [inference(day, 1)])
        load_partition(settings, INFERENCES, day)
    land(tmp_path, "feedback", DAY, [thumbs(DAY, 1)])
    load_partition(settings, FEEDBACK, DAY)
    for n in range(3):
        land(tmp_path, "inferences", DAY, [of_person(n).replace(PERSON, f"{PERSON}-{n}")], name=f"late-{n}.jsonl")
        land_erasure(settings, f"{PERSON}-{n}", reason=None, received_date=DAY)
        apply_erasures(settings, tell=lambda _: None)
        complete(settings)
        opened.clear()
        load_partition(settings, INFERENCES, DAY, keep_late=lambda late: None)
        assert sum(path.endswith(REPORT) for path in opened) == 1, "that of the erasure that is new"
        assert reasons(settings) == [None, *["erased"] * (n + 1)], "an erasure that is new is known at once"
        assert not [path for path in opened if "/ledger/inferences" in path and str(DAY) not in path]


def test_the_ledger_of_erasures_names_nobody(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    land(tmp_path, "inferences", DAY, [inference(DAY, 1)])
    land(tmp_path, "feedback", DAY, [thumbs(DAY, 1)])
    load(settings)
    erase(settings, line=json.dumps({"user_id": PERSON, "reason": f"{PERSON} wrote"}))
    complete(settings)
    ledger = Path(settings.ledger_url) / ledger_path("erasures", DAY)
    assert PERSON not in repr(pq.read_table(ledger).to_pylist())
    assert PERSON not in (tmp_path / "landing" / "erasures" / f"dt={DAY}" / "events.jsonl").read_text()


def test_what_was_deleted_is_in_no_byte_of_a_warehouse_written_anew(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    secret = b"the unique secret words"
    with duckdb.connect(str(settings.warehouse)) as connection:
        for statement in (
            "create schema marts",
            "create table marts.t (id integer not null, said varchar)",
            "comment on table marts.t is 'what was said'",
            "comment on column marts.t.said is 'words'",
            f"insert into marts.t values (1, 'kept'), (2, '{secret.decode()}')",
            "create view marts.v as select * from warehouse.marts.t where id < 5",
            "create macro marts.f(n) as table select * from warehouse.marts.t where id = n",
            "checkpoint",
            "delete from marts.t where id = 2",
            "checkpoint",
        ):
            connection.execute(statement)
    assert secret in settings.warehouse.read_bytes()
    write_warehouse_anew(settings, tell=print)
    assert secret not in settings.warehouse.read_bytes()
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:

        def told(query: str) -> list[tuple[object, ...]]:
            return connection.execute(query).fetchall()

        assert told("select * from marts.v union all select * from marts.f(1)") == [(1, "kept"), (1, "kept")]
        assert told("select comment from duckdb_tables()") == [("what was said",)]
        assert told("select comment, is_nullable from duckdb_columns() where table_name = 't' order by 1") == [
            ("words", True), (None, False),
        ]  # fmt: skip
