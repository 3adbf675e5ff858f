"""dbt-duckdb's plugin for an encrypted warehouse: it attaches the file, so that no profile or artefact has the key."""

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from orchestration.lib import encryption
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import ALIAS


class Plugin(BasePlugin):
    """The profile's connection is in memory, and `attach` there finds the file attached already."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        # dbt makes plugins by their module's name and hands on its profile only, in which no key has a place.
        settings = Settings.from_env()
        encryption.prepare(conn, settings)
        encryption.attach(conn, settings, settings.warehouse, ALIAS, read_only=False)
