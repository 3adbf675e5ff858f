"""Resources: the settings and dbt, configured in one place (lib/settings.py) from the environment."""

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.lib import dbt
from orchestration.lib.settings import Settings


class PlatformResource(dg.ConfigurableResource):
    """The platform's settings, read from the environment when a run starts."""

    @property
    def settings(self) -> Settings:
        return Settings.from_env()


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={
            "platform": PlatformResource(),
            "dbt": DbtCliResource(
                project_dir=str(dbt.PROJECT_DIR),
                profiles_dir=str(dbt.PROJECT_DIR),
                dbt_executable=dbt.dbt_executable(),
            ),
        }
    )
