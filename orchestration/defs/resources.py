"""Resources: the platform's settings and the warehouse, configured in one place (lib/settings.py)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from orchestration.lib import dbt
from orchestration.lib.instance import note_process, quicken_sqlite
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse


class Warehouse(DuckDBResource):
    """The warehouse for reading, encrypted or not."""

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        settings = Settings.from_env()
        if settings.encryption_key is None:
            with super().get_connection() as connection:
                yield connection
        else:
            with read_warehouse(settings) as connection:
                yield connection


class PlatformResource(dg.ConfigurableResource[Any]):
    """The platform's settings, read from the environment when a step asks for them."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Runs of the queue say which process they are in, as those of the command line do (lib/instance.py)."""
        if context.run is not None and context.instance is not None:
            note_process(context.instance, context.run)

    @property
    def settings(self) -> Settings:
        return Settings.from_env()


@dg.definitions
def resources() -> dg.Definitions:
    dbt.set_environment(Settings.from_env())
    quicken_sqlite()
    return dg.Definitions(
        resources={
            "platform": PlatformResource(),
            # For reading: nothing but dbt writes the warehouse.
            "warehouse": Warehouse(
                database=dg.EnvVar("DBT_WAREHOUSE_PATH"),
                connection_config={"access_mode": "READ_ONLY"},
            ),
        }
    )
