"""Pseudonyms, encryption and erasure at once: each has its own tests, and what one stores is what the next must find.

The failure that this prevents: an erasure that looks for a raw id where there are tokens, or leaves a file in clear.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.lib import encryption, parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.settings import REPOSITORY, Settings
from tests.erasure_world import DAYS, PERSON, contents, land_world
from tests.platform_under_test import Platform
from tests.traffic import land

RECIPES = ("feedback", "sft")
KEYS = {"FEEDBACK_PSEUDONYM_KEY": "a first key of pseudonyms", "FEEDBACK_ENCRYPTION_KEY": "a key of encryption"}
WITH_ANOTHER_KEY = {
    **KEYS,
    "FEEDBACK_PSEUDONYM_KEY": f"{KEYS['FEEDBACK_PSEUDONYM_KEY']},and a second one that was added later",
}
# The person's id (not their namesake's), the ids of what is theirs, and their words.
LEFT = r"user-planted-7f3a(?!9)|req-planted|fb-req-planted|fb-planted|sess-planted|fb-retracting|SECRET"


def settings_of(platform: Platform) -> Settings:
    with platform.environment():
        return Settings.from_env()


def files(platform: Platform) -> Iterator[Path]:
    return (path for path in sorted(platform.data_dir.rglob("*")) if path.is_file())


def opened(platform: Platform, path: Path) -> Iterator[bytes]:
    """A file's bytes, what they unpack to, and each row with the keys."""
    if path.suffix == ".duckdb" or (path.suffix == ".parquet" and parquet_files.is_encrypted(path)):
        yield path.read_bytes()
        yield from rows(platform, path)
    else:
        yield from contents(path)


def rows(platform: Platform, path: Path) -> Iterator[bytes]:
    settings = settings_of(platform)
    with connect(settings) as connection:
        relations = [parquet_files.read([path])] if path.suffix == ".parquet" else []
        if path.suffix == ".duckdb":
            use = encryption.ANALYTICS if path.parent == settings.published_dir else encryption.WAREHOUSE
            encryption.attach(connection, settings, path, "opened", read_only=True, use=use)
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'opened'"
            ).fetchall()
            relations = [f"opened.{schema}.{table}" for schema, table in tables]
        for relation in relations:
            found = connection.execute(f"select r::varchar from (select * from {relation}) as r").fetchall()
            yield from (row.encode() for (row,) in found)


def found(platform: Platform, pattern: str) -> set[str]:
    looked_for = re.compile(pattern.encode())
    return {
        str(path.relative_to(platform.data_dir))
        for path in files(platform)
        for content in opened(platform, path)
        if looked_for.search(content)
    }


def partitions(platform: Platform) -> dict[str, dict[str, object]]:
    """Which version each partition has: one is named by its rows."""
    folder = platform.data_dir / "datasets"
    return {name: json.loads((folder / name / "partitions.json").read_text(encoding="utf-8")) for name in RECIPES}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("recipes")
    for name in RECIPES:
        shutil.copy2(REPOSITORY / "recipes" / f"{name}.yml", folder)
    return str(folder)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, recipes: str) -> Platform:
    """The world with the person in it, who was there and is erased."""
    way_back = tmp_path_factory.mktemp("map") / "users.jsonl"
    settings = {**KEYS, "FEEDBACK_RECIPES": recipes, "FEEDBACK_PSEUDONYM_MAP": str(way_back)}
    platform = Platform(tmp_path_factory.mktemp("with"), settings)
    land_world(platform.data_dir, with_person=True)
    assert platform.run(DAYS[0], DAYS[-1]) == 0
    token = Pseudonyms.of(settings_of(platform)).stored(PERSON)
    assert {path.split("/")[0] for path in found(platform, token)} >= {"ledger", "datasets", "warehouse.duckdb"}
    # What others say of them is theirs: their own lines do not have the id any more.
    named = re.compile(f"{PERSON}(?!9)".encode())
    for path in (platform.data_dir / "ledger").rglob("*.parquet"):
        assert not [row for row in rows(platform, path) if token.encode() in row and named.search(row)]
    assert PERSON in users_of(way_back)
    assert platform.command("erase", "--user", PERSON, "--dt", str(DAYS[-1])) == 0
    return platform


def users_of(way_back: Path) -> set[str]:
    assert way_back.stat().st_mode & 0o777 == 0o600
    return {json.loads(line)["user_id"] for line in way_back.read_text(encoding="utf-8").splitlines()}


def test_nothing_of_the_person_is_left(platform: Platform) -> None:
    token = Pseudonyms.of(settings_of(platform)).stored(PERSON)
    assert found(platform, f"{LEFT}|{token}") == set()
    users = users_of(Path(platform.settings["FEEDBACK_PSEUDONYM_MAP"]))
    assert users and PERSON not in users


def test_what_is_kept_is_encrypted(platform: Platform) -> None:
    kept = [path for place in ("ledger", "datasets") for path in (platform.data_dir / place).rglob("*.parquet")]
    assert kept and all(parquet_files.is_encrypted(path) for path in kept)
    assert "user-kept" not in {text for path in kept for text in re.findall("user-kept", repr(path.read_bytes()))}


def test_datasets_are_as_if_the_person_had_never_been(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    never_was = Platform(
        tmp_path_factory.mktemp("without"), {**KEYS, "FEEDBACK_RECIPES": platform.settings["FEEDBACK_RECIPES"]}
    )
    land_world(never_was.data_dir, with_person=False)
    assert never_was.run(DAYS[0], DAYS[-1]) == 0
    assert partitions(platform) == partitions(never_was)


def test_a_line_that_comes_after_a_key_was_added_is_erased(platform: Platform) -> None:
    """A subject was made with the first key, and tokens are made with both."""
    later = Platform(platform.data_dir, {**platform.settings, **WITH_ANOTHER_KEY})
    line = {"request_id": "req-late-1", "model_version": "v1", "timestamp": f"{DAYS[-1]}T08:00:00Z", "user_id": PERSON}
    file = land(later.data_dir, "inferences", DAYS[-1], [json.dumps(line)], name="late.jsonl")
    assert later.run(DAYS[0], DAYS[-1]) == 0
    assert json.loads(file.read_text(encoding="utf-8")).keys() == {"erased"}
    tokens = "|".join(Pseudonyms.of(settings_of(one)).stored(PERSON) for one in (platform, later))
    assert found(later, f"{LEFT}|{tokens}") == set()
