"""The dbt project in this process: one parsed project for every data folder."""

from pathlib import Path

from orchestration.lib import dbt
from orchestration.lib.settings import Settings


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
