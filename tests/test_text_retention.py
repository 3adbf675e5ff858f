"""Texts whose lifetime is over are in no file any more, and all that rules, gates and accounts made of them stands.

The failure that this prevents: a verdict that rested on a text is taken back when the text goes, so that what was held
back years ago is trained on; or a copy of the text that nobody thought of.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.build_window import stale_days
from orchestration.lib.catalog import PASSED, Catalog
from orchestration.lib.erasure import ledgered
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.plan import ERASE, Line
from orchestration.lib.ledger_metadata import ledger_metadata, ledger_versions
from orchestration.lib.replay import rebuild
from orchestration.lib.retention.policy import load_policy
from orchestration.lib.retention.text_store import forget_inputs, stored_days
from orchestration.lib.retention.texts import STEPS, expire_texts
from orchestration.lib.settings import REPOSITORY, Settings, SettingsError, StateError
from orchestration.lib.version_diff import differences
from orchestration.lib.warehouse import built_versions
from tests.erasure_world import contents
from tests.platform_under_test import Platform
from tests.processes import is_killed
from tests.retention_killed import FIRST_FILE
from tests.text_world import KEPT, NEXT, OLD, POLICY, QUIET, RECENT, TODAY, expired_texts, kept_texts, land_world

RECIPES = ("feedback", "sft", "ranking")
# The columns of marts that lose something, or tell of it.
LOSES_TEXT = {
    *("params", "input", "output", "output_text", "components", "inference_extras", "context", "raw"),
    *("corrected_output", "comment", "value", "feedback_extras", "is_text_expired", "row_hash"),
}
JUDGED = (
    *("int_feedback_receipts", "int_feedback_flags", "int_correction_measures", "int_output_uncertainties"),
    *("int_component_shares", "int_chunk_shares", "int_policy_days"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The world with all its texts, published."""
    recipes = tmp_path_factory.mktemp("recipes")
    for name in RECIPES:
        shutil.copy2(REPOSITORY / "recipes" / f"{name}.yml", recipes)
    platform = Platform(tmp_path_factory.mktemp("built"), {"FEEDBACK_RECIPES": str(recipes)})
    land_world(platform.data_dir)
    assert platform.run(OLD[0], KEPT) == 0 and platform.run(*RECENT) == 0
    return platform


def copy_of(platform: Platform, folder: Path, policy: str | None = None) -> Platform:
    shutil.copytree(platform.data_dir, folder / "data")
    copy = Platform(folder / "data", platform.settings)
    if policy is not None:
        (copy.data_dir / "retention.yml").write_text(policy, encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def retained(built: Platform, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The same after retention, which was killed at each of its steps and taken up again by its job."""
    platform = copy_of(built, tmp_path_factory.mktemp("retained"), POLICY)
    assert killed(platform, STEPS[0])
    assert killed(platform, FIRST_FILE)
    for step in STEPS[1:]:
        assert killed(platform, step)
    assert platform.command("retain") == 0
    return platform


@pytest.fixture(scope="module")
def published_after(retained: Platform, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The next day, published without the texts that are gone."""
    platform = copy_of(retained, tmp_path_factory.mktemp("after"), f"{POLICY}datasets: 1\n")
    assert platform.run(NEXT, NEXT) == 0
    return platform


@pytest.fixture(scope="module")
def later(published_after: Platform, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The same when what had been published before has had its time."""
    platform = copy_of(published_after, tmp_path_factory.mktemp("later"))
    assert platform.command("retain") == 0
    return platform


def killed(platform: Platform, step: str) -> bool:
    return is_killed(platform.data_dir, platform.settings, "tests.retention_killed", step)


def settings_of(platform: Platform) -> Settings:
    with platform.environment():
        return Settings.from_env()


def found(platform: Platform, texts: list[str], *, left_out: str = "-") -> dict[str, set[str]]:
    """The files below the data folder that have one of the texts, in their bytes or rows."""
    told: dict[str, set[str]] = {}
    for path in sorted(path for path in platform.data_dir.rglob("*") if path.is_file()):
        name = path.relative_to(platform.data_dir).as_posix()
        for content in (*contents(path), *(rows_of(path) if path.suffix == ".duckdb" else ())):
            told.setdefault(name, set()).update(text for text in texts if text.encode() in content)
    return {name: texts for name, texts in told.items() if texts and not name.startswith(left_out)}


def rows_of(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        for schema, table in tables:
            rows = connection.execute(f'select r::varchar from (from "{schema}"."{table}") as r').fetchall()
            yield from (row.encode() for (row,) in rows)


def judged(platform: Platform) -> dict[str, list[dict[str, Any]]]:
    return {name: platform.query(f"from intermediate.{name} order by all") for name in JUDGED}


def latest(platform: Platform, dataset: str) -> str:
    told = json.loads((platform.data_dir / "datasets" / dataset / "latest.json").read_text(encoding="utf-8"))
    return str(told["version"])


def test_no_expired_text_is_in_any_file(built: Platform, retained: Platform, later: Platform) -> None:
    before = found(built, expired_texts())
    assert set().union(*before.values()) == set(expired_texts())
    places = {name.split("/")[0] for name in before}
    assert places == {"landing", "ledger", "warehouse.duckdb", "datasets"}
    # Published versions are never changed: they have their own time.
    assert found(retained, expired_texts(), left_out="datasets/") == {}
    assert found(later, expired_texts()) == {}
    assert set().union(*found(later, kept_texts()).values()) == set(kept_texts())


def test_lines_states_verdicts_and_credit_stand(built: Platform, retained: Platform) -> None:
    assert judged(retained) == judged(built)
    before, after = built.tables(), retained.tables()
    for name, rows in before.items():
        shown = [[{k: v for k, v in row.items() if k not in LOSES_TEXT} for row in of] for of in (rows, after[name])]
        key = repr
        assert sorted(shown[0], key=key) == sorted(shown[1], key=key), name
    reasons = {row["reason"] for row in retained.query("select distinct reason from marts.feedback_status")}
    assert reasons >= {"no_op_correction", "coordinated_text", "not_in_enumeration", "not_json"}
    conflicts = retained.query("select raw from marts.dead_letter where reason = 'conflicting_request_id' order by raw")
    assert [row["raw"] for row in conflicts] == ['{"request_id":"conflict-new"}', '{"request_id":"conflict-old"}']


def test_what_is_built_anew_of_the_ledger_is_the_same(retained: Platform, tmp_path: Path) -> None:
    """The warehouse is cleared by itself, each night; what is cleared has to be what a build would make."""
    assert retained.command("replay", "--as-of", str(KEPT), "--into", str(tmp_path / "then")) == 0
    anew = Platform(tmp_path / "then", retained.settings)
    for those in (judged, Platform.tables):
        now, then = those(retained), those(anew)
        for name, rows in now.items():
            known = [row for row in rows if not any(str(value)[:10] in map(str, RECENT) for value in row.values())]
            assert known == then[name], name
    # And nothing has to be built again for the texts' sake.
    settings = settings_of(retained)
    assert stale_days(ledger=ledger_versions(settings), built=built_versions(settings)) == []


def test_what_had_no_text_is_as_it_was(built: Platform, retained: Platform) -> None:
    """A line of features, labels and numbers has nothing to lose."""
    query = "from marts.attributed_feedback where request_id = 'bandit'"
    assert retained.query(query) == built.query(query)
    (choice,) = retained.query("from marts.logged_choices where request_id = 'choice'")
    assert choice["is_text_expired"] and choice["context"] == "{}"
    assert choice["action"] == built.query("from marts.logged_choices where request_id = 'choice'")[0]["action"]
    (kept,) = retained.query(
        f"select input, params from marts.attributed_feedback where request_id = 'private-{OLD[0]}-0'"
    )
    features = {"features": {"city": f"zqfeature{OLD[0]:%m%d}qz"}, "retrieved": [{"chunk_id": "c1", "rank": 1}]}
    assert json.loads(kept["input"]) == features and kept["params"] == "{}"


def test_no_half_empty_row_is_published(built: Platform, retained: Platform, later: Platform) -> None:
    rows = {row["feedback_id"] for row in later.latest_rows("feedback")}
    whole = later.query("from marts.feedback_as_of(current_date) where not is_text_expired")
    assert rows == {row["feedback_id"] for row in whole} and "f-bandit-own" in rows and len(rows) > 40
    # A conversation of which an earlier turn is gone would be another conversation.
    talks = [[row for row in one.latest_rows("sft") if row["request_id"] == "turn-1"] for one in (built, later)]
    assert len(talks[0]) == 1 and "zqoldturn" in str(talks[0]) and talks[1] == []
    assert {row["request_id"] for row in built.latest_rows("ranking")} == {"bandit", "choice"}
    assert {row["request_id"] for row in later.latest_rows("ranking")} == {"bandit"}


def test_a_difference_is_told_as_retention(published_after: Platform, retained: Platform) -> None:
    settings = settings_of(published_after)
    for name in RECIPES:
        before, after = latest(retained, name), latest(published_after, name)
        told = differences(settings, name, before, after)
        removed = {one.cause: one for one in told if one.change == "removed"}
        # In `sft` another of some near-duplicates is the first now.
        assert removed.keys() == {"retention"} | ({"later_events"} if name == "sft" else set()), removed
        assert sum(one.cause == "retention" for one in told) > (0 if name == "ranking" else 20)
        problems = rebuild(settings, name, before, tell=lambda _: None).problems
        assert problems and all("lost texts since" in problem for problem in problems)


def test_versions_that_had_their_time_say_so(later: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    folder = later.data_dir / "datasets" / "sft"
    gone = json.loads((folder / "withdrawn.json").read_text(encoding="utf-8"))
    assert len(gone) == 5 and latest(later, "sft") not in gone
    for version, told in gone.items():
        assert [path.name for path in (folder / version).iterdir()] == ["manifest.json"]
        manifest = json.loads((folder / version / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["withdrawn"] == told and told["reason"] == "retention" and told["successor"] is None
    assert later.command("datasets") == 0
    withdrawn = [len(Catalog(settings_of(later), name).withdrawn()) for name in RECIPES]
    assert capsys.readouterr().out.count("withdrawn (retention)") == sum(withdrawn) and all(withdrawn)
    with pytest.raises(StateError, match=r"was withdrawn \(retention\); use a later version"):
        differences(settings_of(later), "sft", min(gone), latest(later, "sft"))
    # No run brings them back: their partitions have passed.
    recorded = Catalog(settings_of(later), "sft").partitions()
    assert {record.gate for record in recorded.values()} == {PASSED}
    assert [day for day, record in recorded.items() if record.version] == [NEXT]


@pytest.mark.parametrize(
    ("hold", "left"),
    [
        (f"{{days: [{OLD[0]}]}}", {("inferences", OLD[0]), ("feedback", OLD[0]), ("reviews", OLD[0])}),
        ("{users: [u-noop]}", {("inferences", OLD[1]), ("feedback", OLD[1])}),
        ("{streams: [feedback]}", {("feedback", day) for day in OLD}),
    ],
)
def test_what_is_held_keeps_its_texts(built: Platform, tmp_path: Path, hold: str, left: set[tuple[str, Any]]) -> None:
    platform = copy_of(built, tmp_path, POLICY)
    shutil.rmtree(platform.data_dir / "landing")
    told = expire(platform, f"{POLICY}hold: {hold}\n")
    gone = [(stream.name, day) for stream in STREAMS for day in ledger_metadata(settings_of(platform), stream, "texts")]
    assert set(gone) == {(stream.name, day) for stream in STREAMS for day in OLD} - left
    assert sum(one.held for one in told.values()) == len(left)


def expire(platform: Platform, policy: str) -> dict[str, Any]:
    (platform.data_dir / "retention.yml").write_text(policy, encoding="utf-8")
    settings = settings_of(platform)
    return dict(expire_texts(settings, load_policy(settings.retention), TODAY, tell=lambda _: None))


def test_texts_wait_for_landing_files_and_for_the_warehouse(built: Platform, tmp_path: Path) -> None:
    """A load would bring them back, and what is not built yet has not been judged."""
    platform = copy_of(built, tmp_path)
    ledger = platform.ledger_files()
    assert {name: one.waiting for name, one in expire(platform, POLICY).items()} == dict.fromkeys(
        ("inferences", "feedback", "reviews"), 2
    )
    shutil.rmtree(platform.data_dir / "landing")
    (platform.data_dir / "warehouse.duckdb").unlink()
    assert sum(one.waiting for one in expire(platform, POLICY).values()) == 6
    assert platform.ledger_files() == ledger


def test_a_lifetime_that_can_not_be_kept_is_refused(built: Platform, tmp_path: Path) -> None:
    platform = copy_of(built, tmp_path)
    with pytest.raises(SettingsError, match=r"texts.feedback is 98, and landing files, .* stay for good"):
        expire(platform, "texts: {feedback: 98}")
    with pytest.raises(SettingsError, match="may come for 30 days; write 31 or more"):
        expire(platform, "landing: {feedback: 9}\ntexts: {feedback: 30}")


def storing(built: Platform, folder: Path, text: str) -> Platform:
    """The world with a storage policy, without its landing files."""
    platform = copy_of(built, folder)
    privacy = folder / "privacy.yml"
    privacy.write_text(f"streams: {{inferences: {{text: {text}}}}}", encoding="utf-8")
    shutil.rmtree(platform.data_dir / "landing")
    return Platform(platform.data_dir, {**platform.settings, "FEEDBACK_PRIVACY": str(privacy)})


def test_sampled_texts_are_those_with_feedback_and_a_share_of_the_rest(built: Platform, tmp_path: Path) -> None:
    """When a line is loaded nobody knows what will get feedback: so it is done when the window is over."""
    platform = storing(built, tmp_path, "sampled(0.5)")
    with pytest.raises(SettingsError, match=r"sampled\(0.5\), and landing files, .* stay for good"):
        expire(platform, "")
    assert expire(platform, "landing: {inferences: 90}")["inferences"].days == 3

    def place(request_id: str) -> float:
        return int(hashlib.sha256(f"texts\x1f{request_id}".encode()).hexdigest()[:13], 16) / 16**13

    quiet = {n for n in range(QUIET) if place(f"quiet-{n}") < 0.5}
    texts = [f"zqquiet{n:02d}qz" for n in range(QUIET)]
    assert set().union(*found(platform, texts).values()) == {texts[n] for n in quiet} and 10 < len(quiet) < 30
    # An earlier turn of an answer with feedback has none itself.
    assert set().union(*found(platform, ["zqoldturn", "zqensemble"], left_out="datasets").values()) == {
        *("zqoldturn", "zqensemble")
    }
    for table in ("attributed_feedback", "conversation_turns", "feedback_status", "daily_accounts", "chunk_credit"):
        query = f"from marts.{table} order by all"
        assert platform.query(query) == built.query(query), table
    assert judged(platform) == judged(built)
    # Nothing is left to do until the texts' lifetime is over, and then the others go as well.
    ledger = platform.ledger_files()
    expire(platform, "landing: {inferences: 90}")
    assert platform.ledger_files() == ledger
    assert expire(platform, POLICY)["inferences"].days == 2
    assert found(platform, ["zqquiet", "zqoldturn"], left_out="datasets") == {} and judged(platform) == judged(built)


def test_hashed_inputs_are_kept_elsewhere(built: Platform, tmp_path: Path) -> None:
    platform = storing(built, tmp_path, "hashed")
    expire(platform, "landing: {inferences: 90}")
    folder = platform.data_dir
    lines = f"read_parquet('{folder}/ledger/inferences/*/part-00000.parquet')"
    texts = f"read_parquet('{folder}/texts/inferences/*/part-00000.parquet', hive_partitioning = false)"
    quiet = platform.query(
        f"select request_id, texts.input, lines.input as left_, output from {lines} as lines join {texts} as texts "
        "on texts.text_sha256 = (lines.input ->> '$.text_sha256') where request_id like 'quiet-%' order by 1"
    )
    assert len(quiet) == QUIET
    for row in quiet:
        assert json.loads(row["input"]) == {"prompt": f"asked of {row['request_id']}"}
        sha256 = hashlib.sha256(row["input"].encode()).hexdigest()
        assert json.loads(row["left_"]) == {"text_sha256": sha256} and "zqquiet" in row["output"]
    asked = ["asked of quiet-", "asked of noop"]
    assert found(platform, asked[:1], left_out="datasets").keys() == {
        f"texts/inferences/received_date={OLD[0]}/part-00000.parquet"
    }
    assert {name.split("/")[0] for name in found(platform, asked[1:], left_out="datasets")} == {
        *("ledger", "warehouse.duckdb")
    }
    assert platform.query("from marts.attributed_feedback order by all") == built.query(
        "from marts.attributed_feedback order by all"
    )
    # What no line has any more goes with an erasure, and all of it with the lifetime of texts.
    settings = settings_of(platform)
    file = f"landing/inferences/dt={OLD[0]}/world.jsonl"
    erased = [Line("inferences", str(OLD[0]), file, n, ERASE) for n in range(1, 20)]
    ledgered.rewrite(settings, INFERENCES, OLD[0], erased, Names.of(["quiet-39"]), "er_0123456789abcdef")
    forget_inputs(settings, Names.of(["quiet-39"]))
    left = {row["input"] for row in platform.query(f"select input from {texts}")}
    assert '{"prompt":"asked of <ERASED>"}' in left and '{"prompt":"asked of quiet-39"}' not in left
    assert '{"prompt":"asked of quiet-0"}' not in left and '{"prompt":"asked of quiet-38"}' in left


def test_what_was_put_elsewhere_goes_with_the_lifetime_of_texts(built: Platform, tmp_path: Path) -> None:
    platform = storing(built, tmp_path, "hashed")
    expire(platform, "landing: {inferences: 90}")
    assert set(stored_days(settings_of(platform))) == {*OLD, KEPT}
    assert expire(platform, POLICY)["inferences"].days == 2
    assert set(stored_days(settings_of(platform))) == {KEPT}
    assert found(platform, ["asked of quiet-", "zqquiet"], left_out="datasets") == {}
