"""Resources: the platform's settings and the warehouse, configured in one place (lib/settings.py)."""

from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from orchestration.lib import dbt
from orchestration.lib.instance import quicken_sqlite
from orchestration.lib.settings import Settings


class PlatformResource(dg.ConfigurableResource[Any]):
    """The platform's settings, read from the environment when a step asks for them."""

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
            "warehouse": DuckDBResource(
                database=dg.EnvVar("DBT_WAREHOUSE_PATH"),
                connection_config={"access_mode": "READ_ONLY"},
            ),
        }
    )
