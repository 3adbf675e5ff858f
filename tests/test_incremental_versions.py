"""Versions of which only the days that changed were read, beside the same versions of which every row was.

The failure that this prevents: a publication that is fast because it did not look, and misses a row that was taken
back, that came out otherwise when an old day was run again, or that moved to another day or split.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.lib import candidate as candidates
from orchestration.lib import card_facts, row_hashes, shards
from orchestration.lib.candidate import candidate, keep_fingerprints
from orchestration.lib.catalog import PASSED, Catalog, PartitionRecord
from orchestration.lib.ledger_files import LedgerFiles
from orchestration.lib.publish import Staging
from orchestration.lib.recipe import Recipe, Split
from orchestration.lib.row_hash import add_sha256, row_hash
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse

FIRST = date(2024, 2, 27)
COLUMNS = ("feedback_id", "request_id", "user_id", "reward", "comment", "tags", "attributed_date")
PLAIN = Recipe(
    name="plain",
    description="Rows.",
    license="other",
    source="attributed_feedback",
    columns={column: f"The {column}." for column in COLUMNS},
    where="comment is distinct from 'hidden'",
)
SPLIT = replace(PLAIN, name="split", split=Split("user_id", {"train": 0.6, "test": 0.4}))
CAPPED = replace(SPLIT, name="capped", most_per={"user_id": 2})

SOURCE_COLUMNS = "feedback_id, request_id, user_id, reward, comment, tags, attributed_date"
# A mart may have a hash of each row: here none, a column that is empty, and one that DuckDB computes when it is asked.
NO_HASH, LACKING = "", ", row_hash ubigint"
HASHED = f"{LACKING} generated always as (hash({SOURCE_COLUMNS}, reward::varchar)) virtual"

# One thing that happens before a day is published: what, to which of the rows there are, and a number to do it with.
EVENTS = st.tuples(
    st.sampled_from(["add", "add", "add", "end", "rewrite", "null", "move_day", "move_user", "lose"]),
    st.integers(0, 30),
    st.integers(0, 5),
)
HISTORIES = st.lists(st.tuples(st.lists(EVENTS, max_size=5), st.integers(0, 3)), min_size=2, max_size=5)


class World:
    """A warehouse that things happen to, and a data folder in which its datasets are published."""

    def __init__(self, folder: Path, *, row_hash: str = NO_HASH) -> None:
        self.settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(folder)})
        folder.mkdir(parents=True)
        self._next = 0
        self._sql(
            f"""
            create schema marts;
            create table marts.attributed_feedback (
                feedback_id varchar, request_id varchar, user_id varchar, reward double, comment varchar,
                tags struct(name varchar, n integer)[], attributed_date date, is_text_expired boolean{row_hash}
            );
            create table marts.ended (feedback_id varchar, effective_date date);
            create macro marts.feedback_ended_as_of(as_of) as table
                select feedback_id, 'retracted' as cause from marts.ended where effective_date <= as_of::date
            """
        )

    def _sql(self, sql: str) -> None:
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            connection.execute(sql)

    def happen(self, day: date, what: str, which: int, number: int) -> None:
        rows = "marts.attributed_feedback"
        row = f"feedback_id = (select feedback_id from {rows} order by md5(feedback_id || '{which}') limit 1)"
        earlier = day - timedelta(number)
        self._sql(
            {
                "add": f"""
                    insert into {rows} ({SOURCE_COLUMNS}) select
                        'fb-' || {self._next} || '-' || i, 'req-' || i, 'user-' || (i % 4), i / 4,
                        case when i > 0 then 'said ' || i end, [{{'name': 'a' || i, 'n': i}}], '{day}'
                    from range({number}) r(i)
                """,
                "end": f"insert into marts.ended select feedback_id, '{day}' from {rows} where {row}",
                "rewrite": f"update {rows} set comment = 'again {number}', tags = null where {row}",
                "null": f"update {rows} set comment = null, reward = 0 where {row}",
                "move_day": f"update {rows} set attributed_date = '{earlier}' where {row}",
                "move_user": f"update {rows} set user_id = 'user-{number}' where {row}",
                "lose": f"delete from {rows} where {row}",
            }[what]
        )
        self._next += 1

    def publish(self, recipe: Recipe, day: date) -> None:
        """What `publication` does for a partition whose gates pass."""
        catalog = Catalog(self.settings, recipe.name)
        with read_warehouse(self.settings) as connection:
            made = candidate(connection, self.settings, recipe, catalog, day)
            if made.is_new:
                with Staging(self.settings, recipe, catalog, made, LedgerFiles(self.settings)) as staging:
                    staging.write(connection)
                    staging.publish(connection, gates=[])
            keep_fingerprints(connection, self.settings, recipe, made)
        catalog.record(day, PartitionRecord(made.version, PASSED))

    def forget(self) -> None:
        """What must cost time only."""
        shutil.rmtree(self.settings.data_dir / ".fingerprints", ignore_errors=True)

    def files(self, pattern: str = "**/*") -> dict[str, str]:
        root = Path(self.settings.datasets_url)
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.glob(pattern))
            if path.is_file()
        }


def live(
    folder: Path, history: Sequence[tuple[Sequence[tuple[str, int, int]], int]], *, forgets: bool, row_hash: str
) -> World:
    """The history, each day published with the recipes, and sometimes an earlier day again."""
    world = World(folder, row_hash=row_hash)
    for n, (events, back) in enumerate(history):
        day = FIRST + timedelta(n)
        for event in events:
            world.happen(day, *event)
        for asked in sorted({day - timedelta(back) if back <= n else day, day}):
            for recipe in (PLAIN, SPLIT, CAPPED):
                if forgets:
                    world.forget()
                world.publish(recipe, asked)
    return world


# Shrinking takes longer than looking at the history.
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(history=HISTORIES, row_hash=st.sampled_from([NO_HASH, HASHED, LACKING]))
def test_a_version_of_which_little_was_read_is_the_version_of_which_all_was(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[list[tuple[str, int, int]], int]], row_hash: str
) -> None:
    """To the byte, with cards, deltas and manifests; and its files are those of a place that has no versions yet.

    What was published with everything forgotten asks the rows and no hashes that are kept of them.
    """
    root = tmp_path_factory.mktemp("histories")
    with mock.patch.object(shards, "CUT_FROM_ROWS", 1), mock.patch.object(candidates, "CUT_FROM_ROWS", 1):
        with mock.patch.object(candidates, "compare", wraps=row_hashes.compare) as compared:
            quick = live(root / "quick", history, forgets=False, row_hash=row_hash)
        slow = live(root / "slow", history, forgets=True, row_hash=NO_HASH)
        fresh = World(root / "fresh")
        shutil.copy2(slow.settings.warehouse, fresh.settings.warehouse)
        for recipe in (PLAIN, SPLIT, CAPPED):
            fresh.publish(recipe, FIRST + timedelta(len(history) - 1))
    assert quick.files() == slow.files()
    last = FIRST + timedelta(len(history) - 1)
    for recipe in (PLAIN, SPLIT, CAPPED):
        versions = [Catalog(world.settings, recipe.name).partitions()[last].version for world in (fresh, quick)]
        for kind in ("data", "rows"):
            made, published = (
                list(world.files(f"{recipe.name}/{version}/{kind}/*").values())
                for world, version in zip((fresh, quick), versions, strict=True)
            )
            assert made == published
    if len(quick.files("plain/*/manifest.json")) > 1:
        assert compared.called


@pytest.mark.parametrize("row_hash", [NO_HASH, HASHED])
def test_only_the_days_that_changed_are_read(tmp_path: Path, row_hash: str) -> None:
    """Neither for their hashes nor for the card."""
    world = World(tmp_path / "data", row_hash=row_hash)
    with (
        mock.patch.object(shards, "CUT_FROM_ROWS", 1),
        mock.patch.object(candidates, "CUT_FROM_ROWS", 1),
        mock.patch.object(candidates, "hash_days", wraps=row_hashes.hash_days) as read,
        mock.patch.object(card_facts, "_read", wraps=card_facts._read) as counted,
    ):
        for n in range(4):
            world.happen(FIRST + timedelta(n), "add", 0, 5)
            if n == 3:
                world.happen(FIRST + timedelta(n), "rewrite", 1, 1)
                with duckdb.connect(str(world.settings.warehouse)) as connection:
                    found = connection.execute(
                        "select attributed_date from marts.attributed_feedback where comment = 'again 1'"
                    ).fetchall()
            world.publish(PLAIN, FIRST + timedelta(n))
    days = [call.args[3] for call in read.call_args_list]
    assert days == [{FIRST + timedelta(1)}, {FIRST + timedelta(2)}, {FIRST + timedelta(3), found[0][0]}]
    assert [len(call.args[1]) for call in counted.call_args_list] == [1, 1, 1, 2]


@pytest.mark.parametrize("row_hash", [NO_HASH, HASHED])
def test_no_text_is_read_of_a_day_that_only_lost_rows(tmp_path: Path, row_hash: str) -> None:
    """And its file is the one that reading it would have made."""
    made = []
    for forgets in (False, True):
        world = World(tmp_path / f"forgets-{forgets}", row_hash=row_hash)
        with (
            mock.patch.object(shards, "CUT_FROM_ROWS", 1),
            mock.patch.object(candidates, "CUT_FROM_ROWS", 1),
            mock.patch.object(row_hashes, "_read", wraps=row_hashes._read) as read,
        ):
            for n, (what, number) in enumerate([("add", 5), ("add", 5), ("end", 1)]):
                world.happen(FIRST + timedelta(n), what, 0, number)
                if forgets:
                    world.forget()
                world.publish(PLAIN, FIRST + timedelta(n))
        made.append(world.files())
        last = read.call_args_list[-1].kwargs["where"]
        assert last == ("true" if forgets else "false")
    assert made[0] == made[1]


def test_the_child_of_a_version_from_before_there_were_hashes_has_the_same_delta(tmp_path: Path) -> None:
    told = []
    for is_old in (False, True):
        world = World(tmp_path / f"old-{is_old}")
        for day in (FIRST, FIRST + timedelta(1)):
            world.happen(day, "add", 0, 5)
            if day > FIRST:
                world.happen(day, "rewrite", 1, 1)
                world.happen(day, "lose", 2, 1)
            world.publish(PLAIN, day)
            catalog = Catalog(world.settings, PLAIN.name)
            version = str(catalog.version_before(day + timedelta(1)))
            if is_old and day == FIRST:
                shutil.rmtree(catalog.store.full(f"{PLAIN.name}/{version}/rows"))
                manifest = dict(catalog.manifest(version))
                manifest["files"] = [file for file in manifest["files"] if not file["path"].startswith("rows/")]
                catalog.store.write_json(f"{PLAIN.name}/{version}/manifest.json", manifest, scratch=tmp_path)
        told.append((catalog.manifest(version)["changes"], world.files("*/*/delta/*")))
    assert told[0] == told[1] and sum(told[0][0].values()) >= 6


def test_a_row_has_one_hash_whatever_order_and_type_its_empty_columns_have() -> None:
    types = {"a": "VARCHAR", "b": "BIGINT", "s": "STRUCT(x VARCHAR)[]", "t": "TIMESTAMP WITH TIME ZONE"}

    def digest(columns: str, kinds: dict[str, str]) -> str:
        (row,) = connection.execute(f"select hex({row_hash(kinds)}) from (select {columns})").fetchall()
        return str(row[0])

    with duckdb.connect() as connection:
        add_sha256(connection)
        add_sha256(connection)
        whole = "'é:1' as a, 1::bigint as b, [{'x': 'y'}] as s, timestamptz '2024-05-01 00:00:00+00' as t"
        text = 'a=4:é:1b=1:1s=11:[{"x":"y"}]t=16:1714521600000000'
        assert digest(whole, types) == hashlib.sha256(text.encode()).hexdigest().upper()
        turned = dict(reversed(types.items())) | {"new": "VARCHAR"}
        assert digest(f"null::varchar as new, {whole}", turned) == digest(whole, types)
        both = {"a": "VARCHAR", "b": "VARCHAR"}
        empty = {digest(f"{a} as a, {b} as b", both) for a in ("''", "null") for b in ("''", "null")}
        assert len(empty) == 4, "nothing and an empty text are not alike"
