"""The Dagster code location: everything below `defs/`, and steps that run in the run's own process."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    # A process a step costs 6 to 10 s of imports, and DuckDB uses every core within a query anyway.
    policy = dg.Definitions(executor=dg.in_process_executor)
    return dg.Definitions.merge(dg.load_from_defs_folder(path_within_project=Path(__file__).parent), policy)
