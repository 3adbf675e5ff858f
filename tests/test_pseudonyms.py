"""With a key a user's id is a token wherever it would be stored; raw ids are in landing files, and nowhere else."""

import json
import sqlite3
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.inference import INFERENCES
from orchestration.lib.landing import LINES
from orchestration.lib.ledger import load_partition
from orchestration.lib.ledger_metadata import ledger_metadata
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.privacy.guard import Guard
from orchestration.lib.privacy.kept_days import KeysChanged
from orchestration.lib.privacy.lines import LineRewriter
from orchestration.lib.privacy.placeholders import Placeholders
from orchestration.lib.privacy.policy import load_policy
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.privacy.recognizers.base import Hint
from orchestration.lib.privacy.text_masker import TextMasker
from orchestration.lib.settings import REPOSITORY, Settings, SettingsError
from tests.platform_under_test import Platform
from tests.traffic import inference, land, land_honest_day, thumbs

DAY, NEXT = date(2024, 6, 1), date(2024, 6, 2)
OLD, NEW = "the-first-key-of-the-chain-0001", "a-second-key-appended-later-0002"
# People who are in every stream, field and spelling, and what must be gone of them.
PLANTED = ("plantedalpha77", "planted.beta@x.example", "plantedgamma-0815", "7788994455667", "planteddelta99")
SECRET = "sk_live_" + "Pl4nt3dS3cr3t" * 2
PHONE = "+44 20 7946 0321"


def settings_of(folder: Path, *keys: str, **more: str) -> Settings:
    given = {"FEEDBACK_PSEUDONYM_KEY": ",".join(keys)} if keys else {}
    return Settings.from_env({"FEEDBACK_DATA_DIR": str(folder), **given, **more})


def rows_of(folder: Path, stream: str, day: date = DAY) -> list[dict[str, Any]]:
    return pq.read_table(folder / "ledger" / ledger_path(stream, day)).to_pylist()  # type: ignore[no-any-return]


def planted_lines() -> tuple[list[str], list[str]]:
    """Inference and feedback lines that name the planted people in every way that a line can."""
    alpha, beta, gamma, number, delta = PLANTED
    base = {"timestamp": f"{DAY}T10:00:00Z", "model_version": "v1"}
    said = f"I am {alpha}, write to {beta} or {PHONE}; my key is {SECRET}"
    inferences = [
        json.dumps(
            {"request_id": "p1", **base, "user_id": alpha, "input": {"prompt": said}, "output": {"text": f"Hi {alpha}"}}
        ),
        json.dumps(
            {
                "request_id": "p2",
                **base,
                "user_id": beta,
                "session_id": beta,
                "input": {"prompt": "x"},
                "meta": {"by": beta},
            }
        ),
        json.dumps(
            {"request_id": "p3", **base, "user": {"id": gamma, "plan": "pro"}, "tags": [gamma, "vip"], gamma: {"a": 1}}
        ),
        f'{{"request_id": "p4", "timestamp": "{DAY}T10:00:00Z", "model_version": "v1", "user_id": {number}}}',
        f'{{"request_id": "p5", "user_id": "{delta}", "input": {{"prompt": "cut off by {delta}',
        f'{{"request_id": "p6", "us\\u0065r_id": "planted\\u0064elta99", '
        f'"timestamp": "{DAY}T10:00:00Z", "model_version": "v1"}}',
        json.dumps({"request_id": "p7", **base, "account": {"id": delta}, "note": f"account {delta}, {SECRET}"}),
    ]
    feedback = [
        json.dumps({"request_id": "p1", "user_id": alpha, "corrected_output": f"Hello {alpha}, call {PHONE}"}),
        json.dumps({"request_id": "p1", "feedback": {"user_id": alpha, "comment": f"{alpha} here, {SECRET}"}}),
        json.dumps({"request_id": "p2", "user_id": beta, "rating": "five"}),
        json.dumps({"session_id": beta, "comment": "about all of it"}),
        f"user_id={alpha} is no JSON, mail {beta}",
    ]
    return inferences, feedback


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One run with a key over a day with the planted people in it."""
    folder, apart = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("apart")
    key_file = apart / "keys"
    key_file.write_text(f"{OLD}\n", encoding="utf-8")
    key_file.chmod(0o600)
    policy = apart / "privacy.yml"
    policy.write_text("user_id_fields: [account.id]\n", encoding="utf-8")
    land_honest_day(folder, DAY, pairs=60)
    inferences, feedback = planted_lines()
    land(folder, "inferences", DAY, inferences, name="planted.jsonl")
    land(folder, "feedback", DAY, feedback, name="planted.jsonl")
    settings = {
        "FEEDBACK_PSEUDONYM_KEY_FILE": str(key_file),
        "FEEDBACK_PSEUDONYM_MAP": str(apart / "map.jsonl"),
        "FEEDBACK_PRIVACY": str(policy),
        "FEEDBACK_DATA_DOCS": "true",
    }
    yield Platform(folder, settings)


@pytest.fixture(scope="module")
def told(platform: Platform) -> str:
    """What the run printed."""
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert platform.run(DAY, DAY) == 0, said.getvalue()
    return said.getvalue()


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder but landing's: its bytes, and what is in it decompressed."""
    for file in sorted(
        f for f in folder.rglob("*") if f.is_file() and "landing" not in f.relative_to(folder).parts[:1]
    ):
        yield file, file.read_bytes()
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            yield file, json.dumps([table.to_pydict(), str(pq.read_metadata(file).metadata)], default=str).encode()
        elif file.suffix == ".duckdb":
            with duckdb.connect(str(file), read_only=True) as connection:
                for (name,) in connection.execute(
                    "select '\"' || table_schema || '\".\"' || table_name || '\"' from information_schema.tables "
                    "where table_type = 'BASE TABLE'"
                ).fetchall():
                    rows = connection.execute(f"select * from {name}").fetchall()
                    yield file, json.dumps(rows, default=str, ensure_ascii=False).encode()
        elif file.suffix in (".db", ".sqlite"):
            with sqlite3.connect(file) as database:
                yield file, "\n".join(database.iterdump()).encode()


def test_no_file_that_a_run_leaves_has_a_raw_id_or_a_secret(platform: Platform, told: str) -> None:
    project = Path(__file__).resolve().parents[1] / "dbt_project"
    searched = [*contents(platform.data_dir), *contents(project), (Path("stdout"), told.encode())]
    wanted = [*PLANTED, SECRET, PHONE, OLD]
    found = {(str(file), text) for file, data in searched for text in wanted if text.encode() in data}
    assert found == set()
    kinds = {file.suffix for file, _ in searched}
    assert {".parquet", ".duckdb", ".db"} <= kinds, "what it searched is what a run leaves"


def test_the_tokens_stand_where_the_ids_were(platform: Platform, told: str) -> None:
    with platform.environment():
        stored = Pseudonyms.of(Settings.from_env()).stored
    alpha, beta, gamma, _, delta = map(stored, PLANTED)
    rows = {
        row["request_id"]: row
        for row in rows_of(platform.data_dir, "inferences")
        if row["source_file"].endswith("planted.jsonl")
    }
    assert (rows["p1"]["user_id"], rows["p2"]["user_id"], rows["p6"]["user_id"]) == (alpha, beta, delta)
    assert json.loads(rows["p1"]["output"])["text"] == f"Hi {alpha}"
    assert rows["p2"]["session_id"] == beta, (
        "a session called by the user's address is called by the token in every line"
    )
    assert json.loads(rows["p3"]["extras"]) == {
        "user": {"id": gamma, "plan": "pro"},
        "tags": [gamma, "vip"],
        gamma: {"a": 1},
    }
    assert json.loads(rows["p7"]["extras"])["note"].startswith(f"account {delta}, <SECRET_")
    (wrong,) = [row for row in rows_of(platform.data_dir, "inferences") if row["dead_letter_reason"] == "wrong_type"]
    assert wrong["dead_letter_detail"] == "field user_id must be a string, found a number"
    sessions = [row["session_id"] for row in rows_of(platform.data_dir, "feedback") if row["session_id"]]
    assert sessions == [beta]


def test_status_takes_the_raw_id(platform: Platform, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.command("status", "--user", PLANTED[0]) == 0
    said = capsys.readouterr().out
    assert PLANTED[0] not in said
    history = json.loads(said)
    assert history["received"]["inferences"]["lines"] == 1 and history["received"]["feedback"]["lines"] == 2


def test_the_way_back_is_kept_only_where_it_was_asked_for(platform: Platform, told: str) -> None:
    path = Path(platform.settings["FEEDBACK_PSEUDONYM_MAP"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    users = {line["user_id"]: line["token"] for line in lines}
    assert set(PLANTED[:3]) <= set(users) and len(users) == len(lines)


def test_without_a_key_ids_stay_as_they_were_sent(tmp_path: Path) -> None:
    land_honest_day(tmp_path, DAY, pairs=2)
    load_partition(settings_of(tmp_path), INFERENCES, DAY)
    assert {row["user_id"] for row in rows_of(tmp_path, "inferences")} == {"user-0", "user-1"}


def test_an_added_key_reaches_days_whose_landing_files_are_gone(tmp_path: Path) -> None:
    """All three ways to the two keys are one: loaded with both, brought from one, brought from none."""
    inferences, feedback = planted_lines()
    (policy := tmp_path / "privacy.yml").write_text("user_id_fields: [account.id]\n", encoding="utf-8")
    wanted = {}
    for name, before in {"both": (OLD, NEW), "one": (OLD,), "none": ()}.items():
        folder = tmp_path / name
        land(folder, "inferences", DAY, [*inferences, inference(DAY, 1)])
        land(folder, "feedback", DAY, [*feedback, thumbs(DAY, 1)])
        for stream in (INFERENCES, FEEDBACK):
            load_partition(settings_of(folder, *before, FEEDBACK_PRIVACY=str(policy)), stream, DAY)
            (folder / "landing" / stream.name / f"dt={DAY}" / "events.jsonl").unlink()
            now = settings_of(folder, OLD, NEW, FEEDBACK_PRIVACY=str(policy))
            load_partition(now, stream, DAY, tell=lambda _: None)
        wanted[name] = [
            {k: v for k, v in row.items() if k != "feedback_id" or not row["feedback_id_is_derived"]}
            for stream in ("inferences", "feedback")
            for row in rows_of(folder, stream)
        ]
    assert wanted["one"] == wanted["both"]
    assert [row["user_id"] for row in wanted["none"]] == [row["user_id"] for row in wanted["both"]]
    assert [text for text in (*PLANTED, SECRET) for rows in wanted.values() if text in str(rows)] == []


def test_a_key_that_is_replaced_is_refused_for_a_day_that_can_not_be_read_again(tmp_path: Path) -> None:
    land_honest_day(tmp_path, DAY, pairs=2)
    load_partition(settings_of(tmp_path, OLD), INFERENCES, DAY)
    (tmp_path / "landing/inferences" / f"dt={DAY}" / "events.jsonl").unlink()
    with pytest.raises(KeysChanged, match="a key is appended, never replaced"):
        load_partition(settings_of(tmp_path, NEW), INFERENCES, DAY)


def test_the_ledger_names_its_keys_and_has_none(tmp_path: Path) -> None:
    land_honest_day(tmp_path, DAY, pairs=2)
    settings = settings_of(tmp_path, OLD, NEW)
    load_partition(settings, INFERENCES, DAY)
    names = json.loads(ledger_metadata(settings, INFERENCES, "pseudonym_keys")[DAY])
    assert names == list(Pseudonyms.of(settings).fingerprints) and len(names) == 2
    assert OLD not in repr(settings) and OLD not in str(ledger_metadata(settings, INFERENCES, "pseudonym_keys"))


def test_the_map_is_kept_apart_from_the_data(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is in the data folder"):
        settings_of(tmp_path, FEEDBACK_PSEUDONYM_MAP=str(tmp_path / "map.jsonl"))


def test_tokens_hold_through_a_chunk_of_many_users(tmp_path: Path) -> None:
    """The set-based way and the way line by line give the same."""
    lines = [inference(DAY, n) for n in range(300)]
    odd = [line.replace('"user_id": ', '"user_id" :  ') for line in lines]
    for name, of in {"plain": lines, "odd": odd}.items():
        land(tmp_path / name, "inferences", DAY, of)
        load_partition(settings_of(tmp_path / name, OLD), INFERENCES, DAY)
    plain, odd_rows = rows_of(tmp_path / "plain", "inferences"), rows_of(tmp_path / "odd", "inferences")
    assert plain == odd_rows
    assert [row["user_id"] for row in plain] == [Pseudonyms((OLD.encode(),)).stored(f"user-{n}") for n in range(300)]


@pytest.mark.parametrize(
    "said",
    [
        *("jürgen-1", "j\\u00fcrgen-1", "I am J\\u00fcrgen, j\\u00fcrgen-1", "see /a\\/b-c-d/", "a\\/b-c-d"),
        *("x\\u0026y-zz, hi", "by jürgen-1", "call +44 20 7946 0958, jürgen-1", "call +44 20 7946 0958", "nobody"),
        r"\"a/b-c-d\"",
    ],
)
@pytest.mark.parametrize("user", ["jürgen-1", "a/b-c-d", "x&y-zz", "u-1"])
def test_no_spelling_hides_an_id_from_the_set_based_way(user: str, said: str) -> None:
    """A line comes out as line by line it would, whether its id stands there once, again, or written otherwise."""
    line = f'{{"user_id": "{user}", "input": {{"prompt": "{said}"}}, "by": "{said}"}}'.encode()
    lines = pa.table([[0], [1], [None], pa.array([line], pa.binary())], schema=LINES)
    guard = Guard(INFERENCES, load_policy(REPOSITORY / "privacy.yml"), Pseudonyms((OLD.encode(),)))
    rewriter = LineRewriter(INFERENCES, guard.policy, guard.pseudonyms, TextMasker(Placeholders(guard.pseudonyms)))
    new = guard.protect(lines).lines["bytes"][0].as_py()
    assert new == rewriter.rewrite(line, frozenset(Hint)) and json.loads(new)["user_id"].startswith("user_")


def test_an_id_that_is_no_text_holds_no_day_up(tmp_path: Path) -> None:
    """One such line stopped the load of its day, and with it every run."""
    lines = [inference(DAY, n) for n in range(3)]
    lines[1] = lines[1].replace('"user-1"', '"half \\ud83d"')
    path = land(tmp_path, "inferences", DAY, lines)
    path.write_bytes(path.read_bytes().replace(b'"user-2"', b'"n\xefve"'))
    report = tmp_path / "erasures" / "er_0123456789abcdef" / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"erasure_id": "er_0", "subject": "subject_0", "events_until": f"{NEXT}T00:00:00Z"}))
    way_back = tmp_path.with_name(f"{tmp_path.name}-map.jsonl")
    loaded = load_partition(settings_of(tmp_path, OLD, FEEDBACK_PSEUDONYM_MAP=str(way_back)), INFERENCES, DAY)
    assert loaded.lines == 3 and not loaded.dead_letters, "as tokens they are ids like others"
    users = {json.loads(line)["user_id"] for line in way_back.read_text(encoding="utf-8").splitlines()}
    assert users == {"user-0", "half \ud83d", "n\udcefve"}
    assert "half" not in str(rows_of(tmp_path, "inferences")) and "n\udcefve" not in str(
        rows_of(tmp_path, "inferences")
    )
