"""From a row of a published version to the lines that it rests on, each with its landing file and its ledger file."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, partial
from typing import Any

import duckdb

from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import parquet_files
from orchestration.lib.catalog import Catalog
from orchestration.lib.duck import connect
from orchestration.lib.ledger import rows_of_files
from orchestration.lib.ledger_parts import ledger_path, part_with, parts_of
from orchestration.lib.recipe import SOURCES, row_key
from orchestration.lib.rests_on import WITH_CONVERSATION, Wanted, among, holds, ids_of_row, looking_for
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.snapshot import column_types
from orchestration.lib.store import Store
from orchestration.lib.warehouse import rows_of

Row = dict[str, Any]
_ID_OF_STREAM = {"inferences": "request_id", "feedback": "feedback_id", "reviews": "feedback_id"}
# What a row rests on, by the part that it plays in the row.
_EVENTS = """
    with named as (select unnest($feedback_ids::varchar[]) as feedback_id),
    answers as (select unnest($request_ids::varchar[]) as request_id),
    others as (
        select feedback_id from marts.feedback_as_of($as_of)
        where $with_others and request_id in (from answers) and feedback_id not in (from named)
    ),
    turns as (
        select position, request_id from marts.feedback_conversation_as_of($as_of)
        where {of_conversation} and not is_answer
    ),
    feedback as (
        select feedback_id, request_id, received_date, source_file, source_line
        from intermediate.int_feedback_receipts
        where state = 'open' and received_date <= $as_of
            and (feedback_id in (from named) or feedback_id in (from others))
    ),
    inferences as (
        select request_id, received_date, source_file, source_line
        from intermediate.int_inference_receipts
        where is_first and received_date <= $as_of
            and (request_id in (from answers) or request_id in (select request_id from turns))
    ),
    events as (
        select case when feedback_id in (from named) then 0 else 1 end as part, 0 as place,
            case when feedback_id in (from named) then 'feedback' else 'other_feedback_on_the_answer' end as role,
            'feedback' as stream, feedback_id, request_id, received_date, source_file, source_line
        from feedback
        union all
        select 2, 0, 'inference', 'inferences', null, request_id, received_date, source_file, source_line
        from inferences where request_id in (from answers)
        union all
        select 3, turns.position, 'earlier_turn', 'inferences', null, inferences.*
        from inferences inner join turns using (request_id)
        union all
        select 4, 0, 'review', 'reviews', feedback_id, null, received_date, source_file, source_line
        from intermediate.int_review_decisions
        where received_date <= $as_of and feedback_id in (select feedback_id from feedback)
    )
    select * exclude (part, place) from events order by part, place, received_date, source_file, source_line
"""


def trace(
    settings: Settings, name: str, version: str, *, feedback_id: str | None = None, request_id: str | None = None
) -> dict[str, Any]:
    """The rows of a version that rest on an event, each with the lines that it rests on itself.

    Raises StateError for what is not published, and where no row rests on the event.
    """
    catalog = Catalog(settings, name)
    manifest = catalog.published(version)
    wanted = Wanted(feedback_ids=[feedback_id] if feedback_id else [], request_ids=[request_id] if request_id else [])
    with looking_for(settings, wanted) as connection:
        rows = _rows(connection, catalog, manifest)
        if not rows:
            of = f"--feedback {feedback_id}" if feedback_id else f"--request {request_id}"
            raise StateError(
                f"version {version} of {name} has no row that rests on {feedback_id or request_id!r}; "
                f"`attribution status {of}` tells which versions have"
            )
        events = [_events(connection, manifest, row) for row in rows]
    ledger = _Ledger(settings, manifest, [one for of_row in events for one in of_row])
    return {
        "dataset": name,
        "version": version,
        "partition": manifest["partition"],
        "rows": [
            {
                "key": row["key"],
                "split": row["file"].split("/")[1].rsplit("-", 3)[0],
                "file": row["file"],
                "attributed_date": row["attributed_date"],
                "is_silence": not row["feedback_ids"],
                "rests_on": [ledger.proved(one) for one in of_row],
            }
            for row, of_row in zip(rows, events, strict=True)
        ],
    }


def _rows(connection: duckdb.DuckDBPyConnection, catalog: Catalog, manifest: Mapping[str, Any]) -> list[Row]:
    """The wanted rows, with the feedback and the requests that they name themselves."""
    recipe, version = manifest["recipe"], manifest["version"]
    urls = {url: file for url, file in zip(catalog.data_urls(version), _data_paths(manifest), strict=True)}
    read = parquet_files.read(list(urls), options="filename = true")
    columns = column_types(connection, f"from {read}")
    feedback, requests = ids_of_row(columns)
    turns = "false"
    if recipe["source"] in WITH_CONVERSATION:
        turns = f"feedback_id in (select feedback_id from wanted_turns where known_date <= '{manifest['partition']}')"
    key = row_key(recipe["source"], recipe.get("key", ()))
    rows = rows_of(
        connection,
        f"""
        select filename, attributed_date, {", ".join(key)},
            {feedback} as feedback_ids_, {requests} as request_ids_
        from {read} where ({holds(columns)}) or {turns}
        order by {", ".join(key)}
        """,
        [],
    )
    return [
        {
            "key": {column: row[column] for column in key},
            "file": urls[row["filename"]],
            "attributed_date": row["attributed_date"],
            "feedback_ids": list(dict.fromkeys(row["feedback_ids_"])),
            "request_ids": list(dict.fromkeys(row["request_ids_"])),
        }
        for row in rows
    ]


def _data_paths(manifest: Mapping[str, Any]) -> list[str]:
    return [file["path"] for file in manifest["files"] if file["path"].startswith("data/")]


def _events(connection: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any], row: Row) -> list[Row]:
    """The lines that a row rests on, as they were known at the end of the version's partition.

    A row of what people said of one answer rests on all of it that held, not only on what it names.
    """
    source = manifest["recipe"]["source"]
    of_conversation = among("feedback_id", row["feedback_ids"][:1] if source in WITH_CONVERSATION else [])
    cursor = connection.execute(
        _EVENTS.format(of_conversation=of_conversation),
        {
            "feedback_ids": row["feedback_ids"],
            "request_ids": row["request_ids"],
            "as_of": date.fromisoformat(manifest["partition"]),
            "with_others": SOURCES[source].is_function,
        },
    )
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


class _Ledger:
    """The ledger files that a version's manifest names, and whether the lines are in them as they are here."""

    def __init__(self, settings: Settings, manifest: Mapping[str, Any], events: Sequence[Row]) -> None:
        self._then = {file["path"]: file for file in manifest["ledger_files"]}
        self._settings, self._store = settings, Store(settings.ledger_url)
        # A day's files, looked up once for all its events.
        self._parts = cache(partial(parts_of, self._store))
        self._versions: dict[str, str] = {}
        self._lines: set[tuple[str, int, str]] = set()
        with connect(settings, stores=(self._store,)) as connection:
            for stream in STREAMS:
                self._read(connection, stream, [one for one in events if one["stream"] == stream.name])

    def _read(self, connection: duckdb.DuckDBPyConnection, stream: Stream, events: Sequence[Row]) -> None:
        here = sorted({path for one in events if (path := self._part(one))})
        if not here:
            return
        urls = [self._store.url(path) for path in here]
        key = _ID_OF_STREAM[stream.name]
        self._lines |= set(
            connection.execute(
                f"select source_file, source_line, {key} from {rows_of_files(self._settings, urls)} "
                f"where {key} in (select unnest(?::varchar[]))",
                [[one[key] for one in events]],
            ).fetchall()
        )
        for path, url in zip(here, urls, strict=True):
            self._versions[path] = parquet_files.metadata_of(self._settings, url)["ledger_version"]

    def _part(self, event: Row) -> str | None:
        return part_with(self._parts(event["stream"], event["received_date"]), event["source_file"])

    def proved(self, event: Row) -> Row:
        """An event with the places where it can be looked up."""
        path = self._part(event) or ledger_path(event["stream"], event["received_date"])
        then = self._then.get(f"ledger/{path}", {})
        line = (event["source_file"], event["source_line"], event[_ID_OF_STREAM[event["stream"]]])
        return {
            "role": event["role"],
            **{name: event[name] for name in ("feedback_id", "request_id") if event[name] is not None},
            "received_date": event["received_date"],
            "landing_file": event["source_file"],
            "line": event["source_line"],
            "ledger_file": f"ledger/{path}",
            "ledger_version": then.get("ledger_version"),
            "is_ledger_as_it_was": self._versions.get(path) == then.get("ledger_version"),
            "is_line_in_ledger": line in self._lines,
        }
