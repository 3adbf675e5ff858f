"""What dbt had found of texts, kept beside the ledger when they go: lengths, hashes, verdicts, shares, and no text.

So a partition comes out the same when it is built again (dbt_project/macros/text_findings.sql), and what had been
held back stays so. Each row has the model that it is of, its partition there, and its columns as JSON: one schema for
all models. A file belongs to the texts of one stream and received date.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.erasure.names import Names
from orchestration.lib.ledger_parts import LEDGER_FILE
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

FOLDER = "text_findings"
SCHEMA = pa.schema([("model", pa.string()), ("partition_date", pa.date32()), ("finding", pa.string())])
# Of no stream and no day: a file without rows, since DuckDB can not read a folder without files.
_NONE = f"{FOLDER}/none/received_date=__HIVE_DEFAULT_PARTITION__/{LEDGER_FILE}"
_ROWS_AT_ONCE = 50_000

_FEEDBACK_LINE = "feedback_received_date, feedback_source_file, feedback_source_line"
_PAIR_OF = {
    "feedback": "p.feedback_received_date = g.received_date and p.feedback_source_file = g.source_file "
    "and p.feedback_source_line = g.source_line",
    "inferences": "p.inference_received_date = g.received_date and p.inference_source_file = g.source_file "
    "and p.inference_source_line = g.source_line",
}


def _of_pairs(stream: str) -> dict[str, tuple[str, str]]:
    """Model to its partition's column and the rows that rest on a text of a line of `going`, alone or in a pair."""
    pairs = f"(select p.* from {{}} as p semi join going as g on {_PAIR_OF[stream]})"
    matches = pairs.format("intermediate.int_feedback_matches")
    attributed = pairs.format("marts.attributed_feedback")
    shares = f"where feedback_id in (select feedback_id from {attributed})"
    return {
        "int_correction_measures": (
            "paired_date",
            f"select * from intermediate.int_correction_measures semi join {matches} using ({_FEEDBACK_LINE})",
        ),
        "int_component_shares": ("attributed_date", f"select * from intermediate.int_component_shares {shares}"),
        "int_chunk_shares": ("attributed_date", f"select * from intermediate.int_chunk_shares {shares}"),
    }


_LINE = "received_date, source_file, source_line"
_PLACE = ("stream", "received_date", "source_file", "source_line")
_LINES = pa.schema(list(zip(_PLACE, (pa.string(), pa.string(), pa.string(), pa.int64()), strict=True)))
# Findings with the line that they are of; those of pairs with the feedback's.
_WITH_LINE = """
    select finding,
        case when model in ('int_feedback_receipts', 'int_correction_measures') then 'feedback' else 'inferences' end
            as stream,
        coalesce(finding ->> 'received_date', finding ->> 'feedback_received_date') as received_date,
        coalesce(finding ->> 'source_file', finding ->> 'feedback_source_file') as source_file,
        coalesce(finding ->> 'source_line', finding ->> 'feedback_source_line')::bigint as source_line
    from {}
"""
_MODELS: dict[str, dict[str, tuple[str, str]]] = {
    "feedback": {
        "int_feedback_receipts": (
            "received_date",
            f"select {_LINE}, text_length, text_fingerprint from intermediate.int_feedback_receipts "
            f"semi join going using ({_LINE}) where text_length is not null",
        ),
        **_of_pairs("feedback"),
    },
    "inferences": {
        # The event itself is text: which request_id it was is all that stays.
        "int_inference_conflicts": (
            "received_date",
            f"select request_id, {_LINE}, json_object('request_id', request_id)::varchar as raw "
            "from intermediate.int_inference_conflicts where request_id in (select request_id from going)",
        ),
        "int_output_uncertainties": (
            "received_date",
            f"select * from intermediate.int_output_uncertainties semi join going using ({_LINE})",
        ),
        **_of_pairs("inferences"),
    },
    "reviews": {},
}


def path_of(stream: str, day: date) -> str:
    return f"{FOLDER}/{stream}/received_date={day.isoformat()}/{LEDGER_FILE}"


def stored_paths(settings: Settings) -> list[str]:
    """The paths of all files, that without rows included, relative to the ledger."""
    ledger = Store(settings.ledger_url)
    folders = [(stream, folder) for stream in ledger.folders(FOLDER) for folder in ledger.folders(f"{FOLDER}/{stream}")]
    paths = [f"{FOLDER}/{stream}/{folder}/{LEDGER_FILE}" for stream, folder in folders]
    return [path for path in paths if parquet_files.is_there(ledger.full(path))]


def day_of(path: str) -> tuple[str, date] | None:
    """The stream and the received date of a file; None of that without rows."""
    _, stream, folder, _ = path.split("/")
    return None if path == _NONE else (stream, date.fromisoformat(folder.removeprefix("received_date=")))


def ensure_readable(settings: Settings) -> None:
    """Writes the file without rows where there is none."""
    if not Store(settings.ledger_url).exists(_NONE):
        _put(settings, _NONE, [])


def keep_findings(settings: Settings, connection: duckdb.DuckDBPyConnection, stream: str, day: date) -> None:
    """Writes what the warehouse on the connection has of the texts of the lines in its table `going`.

    What an earlier going of other lines of the day kept stays.
    """
    kept = [
        f"select '{model}' as model, {column} as partition_date, to_json(r)::varchar as finding from ({rows}) as r"
        for model, (column, rows) in _MODELS[stream].items()
    ]
    path = path_of(stream, day)
    if parquet_files.is_there(Store(settings.ledger_url).full(path)):
        kept.append(f"select * from {_rows_of(settings, path)}")
    if not kept:
        return
    reader = connection.execute(
        f"select distinct * from ({' union all '.join(kept)}) order by model, partition_date, finding"
    ).to_arrow_reader(_ROWS_AT_ONCE)
    _put(settings, path, (pa.Table.from_batches([batch]).cast(SCHEMA) for batch in reader))


def forget_findings(
    settings: Settings, names: Names, ids: Iterable[str], lines: Iterable[tuple[str, str, str, int]]
) -> None:
    """Takes out what is of erased people: the findings of their lines and ids, and those in which a name stands.

    A line is its stream, received date, file and number.
    """
    of_events = pa.table([list(ids)], pa.schema([("id", pa.string())]))
    erased = pa.Table.from_pylist([dict(zip(_PLACE, line, strict=True)) for line in lines], _LINES)
    for path in (one for one in stored_paths(settings) if day_of(one)):
        rows = _rows_of(settings, path)
        with connect(settings) as connection:
            connection.register("erased", erased)
            with_line = f"select finding from ({_WITH_LINE.format(rows)})"
            theirs = connection.execute(f"{with_line} semi join erased using ({', '.join(_PLACE)})").fetchall()
            connection.register("of_events", of_events)
            with_id = (
                "(finding ->> 'feedback_id') in (from of_events) or (finding ->> 'request_id') in (from of_events)"
            )
            theirs += connection.execute(f"select finding from {rows} where {with_id}").fetchall()
            for pattern in names.patterns:
                named = connection.execute(f"select finding from {rows} where regexp_matches(finding, ?)", [pattern])
                theirs += [(one,) for (one,) in named.fetchall() if names.are_in(one.encode())]
            if theirs:
                connection.register("theirs", pa.table([[one for (one,) in theirs]], names=["finding"]))
                left = connection.execute(f"from {rows} anti join theirs using (finding)").to_arrow_table()
                _put(settings, path, [left.cast(SCHEMA)])


def remove_findings(settings: Settings, stream: str, day: date) -> None:
    path = Path(Store(settings.ledger_url).full(path_of(stream, day)))
    parquet_files.discard(path)


def _rows_of(settings: Settings, path: str) -> str:
    """SQL for a file's rows, without what its folders tell."""
    return parquet_files.read([Store(settings.ledger_url).full(path)], options="hive_partitioning = false")


def _put(settings: Settings, path: str, tables: Iterable[pa.Table]) -> None:
    with parquet_files.scratch_file(settings) as beside:
        parquet_files.write(settings, beside, SCHEMA, tables, metadata=dict)
        parquet_files.put(settings, Store(settings.ledger_url), beside, path)
