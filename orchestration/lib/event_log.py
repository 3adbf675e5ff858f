"""Dagster's SQLite event log with a connection kept open to each file that is in use.

Dagster's own class makes an engine for each of the 2,000 small transactions of a run, and with it SQLAlchemy
compiles every statement anew (docs/decisions/0013).
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

from orchestration.lib.locks import WAREHOUSE_POOL

# A run writes to two files: of all runs, and its own. Who looks at many runs opens many.
_MOST_KEPT = 4


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Same files, tables and statements as its base; named in dagster.yaml."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PooledSqliteEventLogStorage":
        # Where the base class has them when nothing is configured, so that an older history is still there.
        return cls(inst_data=inst_data, base_dir=f"{config_value['base_dir']}/history/runs")

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # One connection a file, and the base class's lock: no two threads use it at once.
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            self._engines[shard] = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            if len(self._engines) > _MOST_KEPT:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def get_concurrency_keys(self) -> set[str]:
        # Dagster gives a pool its limit when it first looks at a queue with a run that wants it, and at that look
        # starts all that wait.
        keys = super().get_concurrency_keys()
        if WAREHOUSE_POOL not in keys and self.initialize_concurrency_limit_to_default(WAREHOUSE_POOL):
            keys = super().get_concurrency_keys()
        return keys

    def has_table(self, table_name: str) -> bool:
        # Asked before each check's result is stored, and answered by reading the file's whole schema.
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def wipe(self) -> None:
        self._tables.clear()
        self._dispose()
        super().wipe()

    def dispose(self) -> None:
        self._dispose()
        super().dispose()

    def _dispose(self) -> None:
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
