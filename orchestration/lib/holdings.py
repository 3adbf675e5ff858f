"""Which rows of which versions rest on an event or on a user, and when they came, changed and went.

A file is read once however many versions share it, and only the columns that say what a row rests on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from orchestration.lib import parquet_files
from orchestration.lib.catalog import Catalog, datasets
from orchestration.lib.delta import CHANGED
from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import SOURCES, row_key
from orchestration.lib.rests_on import WITH_CONVERSATION, Wanted, holds, key_text, looking_for
from orchestration.lib.settings import Settings
from orchestration.lib.snapshot import column_types
from orchestration.lib.warehouse import rows_of


@dataclass(frozen=True)
class Make:
    """Versions whose rows are of one make: the same recipe and schema, and so the same columns."""

    dataset: str
    key: tuple[str, ...]
    source: str
    manifests: list[Mapping[str, Any]]


def holdings(
    settings: Settings, wanted: Wanted, *, with_changes: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The versions that hold something wanted, with how many rows; and, if asked for, how these came, changed and went.

    Told apart are rows that only have it as an earlier turn of their conversation (`as_earlier_turn`), and rows of what
    all people said of an answer that name other feedback than this (`as_other_feedback`).
    """
    with looking_for(settings, wanted) as connection:
        connection.execute(
            "create temp table held (dataset varchar, file varchar, key varchar, part varchar, "
            "known_date date, ended_date date)"
        )
        connection.execute("create temp table changed (dataset varchar, version varchar, key varchar)")
        connection.execute(
            "create temp table version_files (dataset varchar, version varchar, parent varchar, place bigint, "
            "partition_date date, file varchar)"
        )
        for name in datasets(settings):
            catalog = Catalog(settings, name)
            manifests = _in_order([catalog.manifest(version) for version in catalog.versions()])
            _note_files(connection, name, manifests)
            for make in _makes(name, manifests):
                _note_rows(connection, catalog, make)
            if with_changes:
                _note_changes(connection, catalog, manifests)
        return rows_of(connection, _COUNTS, []), rows_of(connection, _CHANGES, []) if with_changes else []


# A turn counts from the version on by whose partition it was known, and other feedback as long as it held.
_ROWS = """
    select distinct dataset, version, parent, place, partition_date, key, part
    from version_files inner join held using (dataset, file)
    where part = 'own' or (known_date <= partition_date and partition_date < ended_date)
"""
_COUNTS = f"""
    select dataset, version, count(*) filter (where part = 'own') as rows,
        count(*) filter (where part = 'earlier_turn') as as_earlier_turn,
        count(*) filter (where part = 'other_feedback') as as_other_feedback
    from ({_ROWS}) group by dataset, version, place order by dataset, place
"""
_CHANGES = f"""
    with rows as ({_ROWS}),
    versions as (select distinct dataset, version, parent, place, partition_date from version_files),
    came as (
        select rows.dataset, rows.version, rows.place, rows.partition_date, rows.key,
            case when before.key is null then 'added_to_version' else 'changed_in_version' end as decision
        from rows
        left join rows as before
            on rows.dataset = before.dataset and rows.parent = before.version and rows.key = before.key
        left join changed
            on rows.dataset = changed.dataset and rows.version = changed.version and rows.key = changed.key
        where before.key is null or changed.key is not null
    ),
    went as (
        select versions.dataset, versions.version, versions.place, versions.partition_date, before.key,
            'removed_from_version' as decision
        from versions
        inner join rows as before on versions.dataset = before.dataset and versions.parent = before.version
        anti join rows as still
            on versions.dataset = still.dataset and versions.version = still.version and before.key = still.key
    )
    select partition_date as decided_date, decision, dataset, version, count(*) as rows
    from (from came union all from went)
    group by decided_date, decision, dataset, version, place
    order by partition_date, dataset, place, decision
"""


def _in_order(manifests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By partition, and of one partition each after the one that it replaced."""
    of_version = {manifest["version"]: manifest for manifest in manifests}

    def replaced(manifest: Mapping[str, Any]) -> int:
        parent = of_version.get(manifest["parent_version"] or "")
        is_own = parent is not None and parent["partition"] == manifest["partition"]
        return 1 + replaced(parent) if parent is not None and is_own else 0

    return sorted(manifests, key=lambda one: (one["partition"], replaced(one), one["version"]))


def _makes(name: str, manifests: Sequence[Mapping[str, Any]]) -> list[Make]:
    found: dict[str, Make] = {}
    for manifest in manifests:
        recipe = manifest["recipe"]
        alike = json.dumps([recipe, manifest.get("schema_version")], sort_keys=True)
        key = row_key(recipe["source"], recipe.get("key", ()))
        found.setdefault(alike, Make(name, key, recipe["source"], [])).manifests.append(manifest)
    return list(found.values())


def _data(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [file for file in manifest["files"] if file["path"].startswith("data/")]


def _note_files(connection: duckdb.DuckDBPyConnection, name: str, manifests: Sequence[Mapping[str, Any]]) -> None:
    files = [
        [name, one["version"], one["parent_version"], place, one["partition"], file["sha256"]]
        for place, one in enumerate(manifests)
        for file in _data(one)
    ]
    if files:
        connection.executemany("insert into version_files values (?, ?, ?, ?, ?, ?)", files)


def _note_rows(connection: duckdb.DuckDBPyConnection, catalog: Catalog, make: Make) -> None:
    """Notes the wanted rows of each file of one make, which versions share."""
    urls = {
        file["sha256"]: catalog.store.url(f"{make.dataset}/{manifest['version']}/{file['path']}")
        for manifest in make.manifests
        for file in _data(manifest)
    }
    read = parquet_files.read(list(urls.values()), options="filename = true")
    columns = column_types(connection, f"from {read}")
    held = holds(columns)
    turns = "feedback_id in (select feedback_id from wanted_turns)" if make.source in WITH_CONVERSATION else "false"
    # Where a row has all judgements it names what it is made of.
    is_aggregate = SOURCES[make.source].is_function and "judgements" not in columns
    answers = "request_id in (select request_id from wanted_answers)" if is_aggregate else "false"
    connection.execute(
        "create or replace temp table file_names as select unnest(?) as file, unnest(?) as filename",
        [list(urls), list(urls.values())],
    )
    connection.execute(
        f"""
        insert into held
        select {quote(make.dataset)}, file_names.file, found.key, found.part,
            case found.part when 'earlier_turn' then turns.known_date else answers.known_date end,
            case found.part when 'earlier_turn' then date '9999-12-31' else answers.ended_date end
        from (
            select filename, {key_text(make.key)} as key, feedback_id, request_id,
                case
                    when {held} then 'own' when {turns} then 'earlier_turn' when {answers} then 'other_feedback'
                end as part
            from {read}
        ) as found
        inner join file_names using (filename)
        left join wanted_turns as turns on found.part = 'earlier_turn' and found.feedback_id = turns.feedback_id
        left join wanted_answers as answers
            on found.part = 'other_feedback' and found.request_id = answers.request_id
        where found.part is not null
        """
    )


def _note_changes(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, manifests: Sequence[Mapping[str, Any]]
) -> None:
    """Notes the rows that the versions' deltas name as changed, where there is anything wanted."""
    row = connection.execute("select count(*) from held where dataset = ?", [catalog.dataset]).fetchone()
    if not row or not row[0]:
        return
    for manifest in manifests:
        path = f"{catalog.dataset}/{manifest['version']}/delta/{CHANGED}.parquet"
        if catalog.store.exists(path):
            key = row_key(manifest["recipe"]["source"], manifest["recipe"].get("key", ()))
            rows = parquet_files.read([catalog.store.url(path)])
            connection.execute(
                f"insert into changed select ?, ?, {key_text(key)} from {rows} "
                f"where {key_text(key)} in (select key from held where dataset = ?)",
                [catalog.dataset, manifest["version"], catalog.dataset],
            )
