"""The dbt project in this process: one parsed project for every data folder, and how it stores rows."""

from datetime import date
from pathlib import Path

import duckdb

from benchmarks.traffic import write_landing
from orchestration.lib import dbt
from orchestration.lib.encryption import ROW_GROUP_SIZE
from orchestration.lib.settings import Settings
from tests.platform_under_test import Platform

DAY = date(2024, 6, 1)


def test_one_parsed_project_serves_every_data_folder(tmp_path: Path) -> None:
    """Parsing takes as long as building a small day; a source that kept the last folder's place would read its data."""
    projects = []
    for name in ("one", "another"):
        settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path / name)})
        project = dbt.project_of(settings)
        projects.append(project)
        locations = [source.meta["external_location"] for source in project.sources.values()]
        assert all(f"read_parquet('{tmp_path}/{name}/" in location for location in locations), locations
        assert len(locations) >= 5
    assert projects[0] is projects[1]


def test_rows_are_stored_in_small_groups_and_views_are_read_from_the_file(tmp_path: Path) -> None:
    """DuckDB writes the whole last group of a wide table anew with each day's rows, and now and then several."""
    warehouse = tmp_path / "elsewhere" / "warehouse.duckdb"
    warehouse.parent.mkdir()
    platform = Platform.with_one_dataset(tmp_path / "data", {"FEEDBACK_WAREHOUSE": str(warehouse)})
    write_landing(platform.data_dir, DAY, inferences=25_000, feedback=25_000)
    assert platform.run(DAY, DAY) == 0
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        groups = connection.execute(
            "select row_group_id, sum(count) from pragma_storage_info('marts.attributed_feedback') "
            "where column_name = 'feedback_id' and segment_type = 'VARCHAR' group by all"
        ).fetchall()
        answers = connection.execute("select count(*) from marts.feedback_conversation where is_answer").fetchall()
    rows = [count for _, count in groups]
    assert sum(rows) == 25_000 and max(rows) <= ROW_GROUP_SIZE, groups
    assert answers == [(25_000,)]
