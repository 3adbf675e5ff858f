"""What analysts read: the marts without text that somebody wrote, published as a DuckDB file of its own.

A file, since DuckDB has no roles: who may read it is told by the mode of its folder. It is made beside the one that is
there and takes its place in one step, so that a reader keeps what was opened, and no run waits for a reader.

Which columns are in it follows from their names and types, as the privacy classes of recipes do: a new column that may
hold text is not in it until somebody vouches for it.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb

from orchestration.lib import encryption
from orchestration.lib.field_sql import quote
from orchestration.lib.recipe.privacy import TEXT, holds
from orchestration.lib.row_hash import identifier
from orchestration.lib.settings import Settings
from orchestration.lib.store import fsync
from orchestration.lib.warehouse import ALIAS, read_warehouse

FILE_NAME = "analytics.duckdb"
# The tables are in the file's main schema: a name that is both a database's and a schema's is ambiguous.
_BESIDE = "analytics_beside"
# Marts that come after this step of a run, or that a model which can not be explained would hold back.
_LEFT_OUT_FOLDERS = {"operations", "enrichment"}
# Without its texts it says nothing that `conversation_turns` does not, and it is as long as all conversations together.
_LEFT_OUT = {"feedback_conversation"}
# Columns that hold words of this platform, or the name of an arm; elsewhere their names may stand for more.
_OWN_WORDS = {
    "dead_letter": {"stream"},
    "feedback_status": {"state"},
    "off_policy_estimates": {"target_variant", "logged_by_variant", "metric"},
    "partition_profile": {"stream", "dimension"},
    "preference_sides": {"side", "broken_rule"},
    "rule_rates": {"rule"},
    "variant_comparison": {"metric", "control_variant", "srm_reason"},
}


@dataclass(frozen=True)
class PublishedAnalytics:
    """What was published: where, its size, and each table's rows and columns, with those that were left out."""

    path: Path
    bytes: int
    rows: Mapping[str, int]
    columns: Mapping[str, Sequence[str]]
    withheld: Mapping[str, Sequence[str]]


def published_marts(manifest: Path) -> list[str]:
    """The marts that analysts get, by name, from dbt's manifest."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return sorted(
        node["name"]
        for node in nodes
        if node["resource_type"] == "model"
        and node["fqn"][1] == "marts"
        and node["config"]["materialized"] != "table_function"
        and node["fqn"][2] not in _LEFT_OUT_FOLDERS
        and node["name"] not in _LEFT_OUT
    )


def publish_analytics(settings: Settings, marts: Sequence[str]) -> PublishedAnalytics:
    """Publishes the marts' columns without text, whole or not at all. The caller holds the warehouse's lock."""
    folder = settings.published_dir
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{FILE_NAME}.*"):  # of a run that was killed
        left.unlink()
    # In the folder, so that the file is of the group that the folder hands on, where it does.
    beside, target = folder / f".{FILE_NAME}.{uuid4().hex}", folder / FILE_NAME
    try:
        with read_warehouse(settings) as connection:
            columns, withheld = _columns(connection, marts)
            with _database(connection, settings, beside):
                rows = {mart: _copy(connection, mart, columns[mart]) for mart in columns}
        # Nobody's to write: whoever forgets to open it read-only is told by DuckDB.
        beside.chmod(0o444 & ~_umask())
        fsync(beside)
        beside.replace(target)
        fsync(folder)
    finally:
        beside.unlink(missing_ok=True)
    return PublishedAnalytics(target, target.stat().st_size, rows, columns, withheld)


def _columns(
    connection: duckdb.DuckDBPyConnection, marts: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The columns of each mart that hold no text, and those that may."""
    told: dict[str, list[str]] = {mart: [] for mart in marts}
    withheld: dict[str, list[str]] = {mart: [] for mart in marts}
    found = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name = 'marts' order by table_name, column_index",
        [ALIAS],
    ).fetchall()
    for mart, column, kind in found:
        if mart in told:
            may_hold_text = TEXT in holds(column, duckdb.sqltype(kind)) and column not in _OWN_WORDS.get(mart, ())
            (withheld if may_hold_text else told)[mart].append(column)
    return {mart: columns for mart, columns in told.items() if columns}, withheld


@contextmanager
def _database(connection: duckdb.DuckDBPyConnection, settings: Settings, path: Path) -> Iterator[None]:
    """A new file, in one transaction: hundreds of them, a column's comment each, would wait for the disk as often."""
    encryption.attach(connection, settings, path, _BESIDE, read_only=False, use=encryption.ANALYTICS)
    connection.execute("begin")
    yield
    connection.execute("commit")
    connection.execute(f"detach {_BESIDE}")


def _copy(connection: duckdb.DuckDBPyConnection, mart: str, columns: Sequence[str]) -> int:
    """Copies a mart with what dbt says of it; returns its rows."""
    target, told = f"{_BESIDE}.{identifier(mart)}", ", ".join(identifier(column) for column in columns)
    connection.execute(f"create table {target} as select {told} from marts.{identifier(mart)}")
    for column, comment in connection.execute(
        "select column_name, comment from duckdb_columns() where database_name = ? and schema_name = 'marts' "
        "and table_name = ? and comment is not null",
        [ALIAS, mart],
    ).fetchall():
        if column in columns:
            connection.execute(f"comment on column {target}.{identifier(column)} is {quote(comment)}")
    counted = connection.execute(f"select count(*) from {target}").fetchone()
    return int(counted[0]) if counted else 0


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
