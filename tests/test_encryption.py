"""Encryption at rest, driven as a user does: two worlds of the same landing files, one with a key and one without."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pyarrow as pa
import pytest

from orchestration.lib import encryption, parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.ledger import rows_of_files
from orchestration.lib.settings import Secret, Settings, SettingsError
from orchestration.lib.warehouse import read_warehouse
from tests.platform_under_test import Platform
from tests.private_world import land_private_day, planted_texts

DAYS = [date(2024, 6, 1), date(2024, 6, 2)]
KEY = "a key that is in no file of the platform"
WITH_KEY = {"FEEDBACK_ENCRYPTION_KEY": KEY}
# When runs were done: no two have the same.
OF_RUNS = ("feedback_stage_times", "feedback_loop_latency")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Platform]:
    """The world with a key, the one without, and a copy of the latter that was encrypted and run again."""
    folder = tmp_path_factory.mktemp("vault")
    worlds = {
        "encrypted": Platform(folder / "encrypted", WITH_KEY),
        "plain": Platform(folder / "plain"),
        "converted": Platform(folder / "converted", WITH_KEY),
    }
    for name in ("encrypted", "plain"):
        for day in DAYS:
            land_private_day(worlds[name].data_dir, day)
        assert worlds[name].run(*DAYS) == 0
    shutil.copytree(worlds["plain"].data_dir, worlds["converted"].data_dir)
    assert worlds["converted"].command("encrypt") == 0
    assert worlds["converted"].run(*DAYS) == 0
    return worlds


def settings_of(platform: Platform) -> Settings:
    return Settings.from_env({"FEEDBACK_DATA_DIR": str(platform.data_dir), **platform.settings})


def stored(platform: Platform) -> Iterator[Path]:
    """Every file that the platform wrote; landing is its producers'."""
    for path in sorted(platform.data_dir.rglob("*")):
        if path.is_file() and path.relative_to(platform.data_dir).parts[0] != "landing":
            yield path


def hashes(platform: Platform, *folders: str) -> dict[str, str]:
    return {
        str(path.relative_to(platform.data_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in stored(platform)
        if path.relative_to(platform.data_dir).parts[0] in folders
    }


def marts(platform: Platform) -> dict[str, list[str]]:
    with read_warehouse(settings_of(platform)) as connection:
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
        ).fetchall()
        return {
            name: sorted(map(str, connection.execute(f"from marts.{name}").fetchall()))
            for (name,) in names
            if name not in OF_RUNS
        }


def ledger_lines(platform: Platform) -> dict[str, list[Any]]:
    with connect(settings_of(platform)) as connection:
        return {
            str(path.relative_to(platform.data_dir)): connection.execute(
                f"from {parquet_files.read([path])}"
            ).fetchall()
            for path in sorted((platform.data_dir / "ledger").rglob("*.parquet"))
        }


def latest(platform: Platform, name: str) -> tuple[str, Path]:
    folder = platform.data_dir / "datasets" / name
    version = json.loads((folder / "latest.json").read_text(encoding="utf-8"))["version"]
    return version, folder / version


@pytest.mark.parametrize("name", ["encrypted", "converted"])
def test_no_text_that_somebody_wrote_is_in_a_file(worlds: dict[str, Platform], name: str) -> None:
    wanted = [text.encode() for text in planted_texts(DAYS)]
    found = {
        str(path): [text for text in wanted if text in content]
        for path in stored(worlds[name])
        if any(text in (content := path.read_bytes()) for text in wanted)
    }
    assert found == {}
    in_clear = {path.name for path in stored(worlds["plain"]) if any(t in path.read_bytes() for t in wanted)}
    assert "warehouse.duckdb" in in_clear, "the search finds what is there"


@pytest.mark.parametrize("name", ["encrypted", "converted"])
def test_compressed_files_can_not_be_read_without_the_key(worlds: dict[str, Platform], name: str) -> None:
    """A compressed text is in no byte of a file in clear, either: that nothing is found does not prove enough."""
    parquet = [path for path in stored(worlds[name]) if path.suffix == ".parquet"]
    in_clear = {path.relative_to(worlds[name].data_dir).parts[0] for path in parquet if not _is_closed(path)}
    assert len(parquet) > 20
    assert in_clear == {"operations"}, "file names and times of runs"
    for database in ("warehouse.duckdb", "published/analytics.duckdb"):
        with pytest.raises(duckdb.Error, match="without a key"):
            duckdb.connect(str(worlds[name].data_dir / database), read_only=True)


def _is_closed(path: Path) -> bool:
    try:
        with duckdb.connect() as connection:
            connection.execute(f"from read_parquet('{path}')").fetchall()
    except duckdb.InvalidInputException as error:
        return "encrypted" in str(error)
    return False


def test_the_key_is_in_no_file(worlds: dict[str, Platform]) -> None:
    uses = (encryption.PARQUET, encryption.WAREHOUSE, encryption.ANALYTICS)
    keys = [KEY.encode(), *(encryption.derived(Secret(KEY), use).reveal().encode() for use in uses)]
    for name in ("encrypted", "converted"):
        assert [path for path in stored(worlds[name]) if any(key in path.read_bytes() for key in keys)] == []


@pytest.mark.parametrize("name", ["encrypted", "converted"])
def test_the_rows_are_those_of_the_world_without_a_key(worlds: dict[str, Platform], name: str) -> None:
    assert ledger_lines(worlds[name]) == ledger_lines(worlds["plain"])
    assert marts(worlds[name]) == marts(worlds["plain"])
    versions = [
        {str(path.relative_to(world.data_dir)) for path in (world.data_dir / "datasets").glob("*/20*")}
        for world in (worlds[name], worlds["plain"])
    ]
    assert versions[0] == versions[1], "a version is named by its rows"


def test_running_again_changes_no_byte(worlds: dict[str, Platform]) -> None:
    before = hashes(worlds["encrypted"], "ledger", "datasets", "enrichment")
    assert worlds["encrypted"].run(DAYS[1], DAYS[1]) == 0
    assert hashes(worlds["encrypted"], "ledger", "datasets", "enrichment") == before


@pytest.mark.parametrize("key", ["another key than the one", ""])
def test_a_run_with_another_key_says_so_and_changes_nothing(
    worlds: dict[str, Platform], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hashes(worlds["encrypted"], "ledger", "datasets")
    other = Platform(worlds["encrypted"].data_dir, {"FEEDBACK_ENCRYPTION_KEY": key} if key else {})
    capsys.readouterr()
    assert other.run(DAYS[1], DAYS[1]) == 1
    said = "".join(capsys.readouterr())
    assert "FEEDBACK_ENCRYPTION_KEY" in said
    assert not key or key not in said
    for command in (("status", "--feedback", f"said-{DAYS[0]}-0"), ("review", "list")):
        assert other.command(*command) == 1
        assert "FEEDBACK_ENCRYPTION_KEY" in capsys.readouterr().err
    assert hashes(worlds["encrypted"], "ledger", "datasets") == before


def test_commands_read_what_is_encrypted(worlds: dict[str, Platform], capsys: pytest.CaptureFixture[str]) -> None:
    platform, told = worlds["encrypted"], f"said-{DAYS[0]}-0"
    version, _ = latest(platform, "feedback")
    first = sorted(path.name for path in (platform.data_dir / "datasets" / "feedback").glob("20*"))[0]
    for command in (
        ("status", "--feedback", told),
        ("status", "--user", f"person-{DAYS[0]}"),
        ("datasets", "trace", "feedback", version, "--feedback", told),
        ("datasets", "diff", "feedback", first, version, "--rows", "2"),
        ("dead-letters",),
        ("review", "list"),
    ):
        capsys.readouterr()
        assert platform.command(*command) == 0, command
        assert capsys.readouterr().out.strip(), command


def test_a_decrypted_version_is_what_trainers_load(worlds: dict[str, Platform], tmp_path: Path) -> None:
    version, folder = latest(worlds["encrypted"], "sft")
    into = tmp_path / "clear"
    assert worlds["encrypted"].command("datasets", "decrypt", "sft", version, "--into", str(into)) == 0
    plain = latest(worlds["plain"], "sft")[1]
    assert latest(worlds["plain"], "sft")[0] == version

    def rows(place: Path) -> dict[str, list[Any]]:
        loaded = datasets.load_dataset(str(place), cache_dir=str(tmp_path / "cache" / place.name))
        return {split: of_split.to_list() for split, of_split in loaded.items()}

    assert rows(into) == rows(plain)
    manifest = json.loads((into / "manifest.json").read_text(encoding="utf-8"))
    assert "encryption" not in manifest
    assert "encryption" in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for file in manifest["files"]:
        content = (into / file["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"]), file["path"]
    of_plain = json.loads((plain / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["formats"] == of_plain["formats"]
    for name in (path for written in manifest["formats"].values() for path in written["files"]):
        assert (into / name).read_bytes() == (plain / name).read_bytes()
        assert not (folder / name).exists(), "a format holds the rows in clear"


def test_what_is_not_as_it_was_published_is_not_decrypted(
    worlds: dict[str, Platform], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Platform(tmp_path / "copy", WITH_KEY)
    shutil.copytree(worlds["encrypted"].data_dir / "datasets", copy.data_dir / "datasets")
    version, folder = latest(copy, "kto")
    changed = next((folder / "data").glob("*.parquet"))
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    assert copy.command("datasets", "decrypt", "kto", version, "--into", str(tmp_path / "clear")) == 1
    assert changed.name in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert copy.command("datasets", "decrypt", "kto", version, "--into", str(tmp_path / "full")) == 1


def test_analysts_open_their_file_with_a_key_that_opens_nothing_else(
    worlds: dict[str, Platform], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert worlds["encrypted"].command("analytics-key") == 0
    key = capsys.readouterr().out.strip()
    folder = worlds["encrypted"].data_dir
    with duckdb.connect() as connection:
        connection.execute(f"attach '{folder}/published/analytics.duckdb' (read_only, encryption_key '{key}')")
        assert connection.execute("select count(*) from analytics.attributed_feedback").fetchall() == [(30,)]
        with pytest.raises(duckdb.Error, match="Wrong encryption key"):
            connection.execute(f"attach '{folder}/warehouse.duckdb' (read_only, encryption_key '{key}')")


def test_days_of_which_some_are_in_clear_are_refused(
    worlds: dict[str, Platform], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = Platform(tmp_path / "mixed", WITH_KEY)
    shutil.copytree(worlds["plain"].data_dir, mixed.data_dir)
    assert mixed.run(DAYS[1], DAYS[1]) == 1
    assert "attribution encrypt" in "".join(capsys.readouterr())


def test_a_day_whose_metadata_did_not_come_along_is_loaded_again(worlds: dict[str, Platform], tmp_path: Path) -> None:
    """A run that is killed between the two renames leaves the file without them."""
    killed = Platform(tmp_path / "killed", WITH_KEY)
    shutil.copytree(worlds["encrypted"].data_dir, killed.data_dir)
    path = killed.data_dir / "ledger" / "feedback" / f"received_date={DAYS[1]}" / "part-00000.parquet"
    parquet_files.beside(path).unlink()
    assert killed.run(DAYS[1], DAYS[1]) == 0
    assert ledger_lines(killed) == ledger_lines(worlds["plain"])
    assert marts(killed) == marts(worlds["plain"])


def test_files_of_two_schema_versions_are_read_together(tmp_path: Path) -> None:
    """DuckDB 1.5 breaks on encrypted files that it is to unite by their columns' names."""
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path), **WITH_KEY})
    paths = []
    for version, columns in ((1, {"id": ["a"]}), (2, {"device": ["phone"], "id": ["b"]})):
        path = tmp_path / f"received_date=2024-06-0{version}" / "part-00000.parquet"
        path.parent.mkdir(parents=True)
        table = pa.table(columns)
        metadata = partial(dict, schema_version=str(version))
        parquet_files.write(settings, path, table.schema, [table], metadata=metadata)
        paths.append(str(path))
    with connect(settings) as connection:
        rows = connection.execute(
            f"select received_date, id, device from {rows_of_files(settings, paths)} order by id"
        ).fetchall()
    assert rows == [(date(2024, 6, 1), "a", None), (date(2024, 6, 2), "b", "phone")]


def test_what_does_not_fit_into_memory_is_encrypted_where_it_spills(tmp_path: Path) -> None:
    text = b"zqspilledqz"

    def spilled(name: str, **given: str) -> bool:
        settings = Settings.from_env(
            {"FEEDBACK_DATA_DIR": str(tmp_path / name), "FEEDBACK_DUCKDB_MEMORY_LIMIT": "60MiB", **given}
        )
        with connect(settings, threads=1) as connection:
            connection.execute(
                "create temp table many as select i, repeat('zqspilledqz' || i, 9) as t from range(900000) r(i)"
            )
            files = list((tmp_path / name / ".scratch" / "duckdb").iterdir())
            assert files, "nothing was spilled"
            return any(text in file.read_bytes() for file in files)

    assert spilled("in clear")
    assert not spilled("with a key", **WITH_KEY)


def test_what_a_killed_run_leaves_of_the_warehouses_log_is_encrypted(tmp_path: Path) -> None:
    def log_of(name: str, **given: str) -> bytes:
        settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path / name), **given})
        with connect(settings) as connection:
            encryption.attach(connection, settings, settings.warehouse, "warehouse", read_only=False)
            connection.execute("create table warehouse.texts as select 'zqloggedqz' as text")
            return settings.warehouse.with_name("warehouse.duckdb.wal").read_bytes()

    assert b"zqloggedqz" in log_of("in clear")
    encrypted = log_of("with a key", **WITH_KEY)
    assert encrypted
    assert b"zqloggedqz" not in encrypted


def test_the_key_comes_from_one_place(tmp_path: Path) -> None:
    def key(**given: str) -> Secret | None:
        env = {"FEEDBACK_DATA_DIR": str(tmp_path / "data")}
        return Settings.from_env({**env, **{f"FEEDBACK_ENCRYPTION_KEY{n}": v for n, v in given.items()}}).encryption_key

    file = tmp_path / "key"
    file.write_text(f"{KEY}\n", encoding="utf-8")
    file.chmod(0o600)
    counter = tmp_path / "count"
    command = f"sh -c 'echo >> {counter}; echo {KEY}'"
    assert key() is None
    assert [key(**{"": KEY}), key(_FILE=str(file)), key(_COMMAND=command)] == [Secret(KEY)] * 3
    key(_COMMAND=command)
    assert counter.read_text() == "\n", "a command runs once in a process"
    for wrong, said in (
        ({"": "short"}, "fewer than 16"),
        ({"": KEY, "_COMMAND": command}, "unset one"),
        ({"_COMMAND": f"sh -c 'exit 3' '{KEY}'"}, "exit code 3"),
        ({"_COMMAND": "no-such-command"}, "can not be run"),
    ):
        with pytest.raises(SettingsError, match=said) as raised:
            key(**wrong)
        assert KEY not in str(raised.value)
    with_comma = f"{KEY}, and more"
    assert key(**{"": with_comma}) == Secret(with_comma)
    file.write_text(f"{KEY}\n{KEY}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="has 2 lines"):
        key(_FILE=str(file))
    assert KEY not in repr(Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path), **WITH_KEY}))
