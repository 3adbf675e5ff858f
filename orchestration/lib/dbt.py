"""The dbt project as Dagster runs it: where it is, its manifest, and the variables and environment of a run."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestration.lib.build_window import BuildWindow
from orchestration.lib.settings import REPOSITORY, Settings

PROJECT_DIR = REPOSITORY / "dbt_project"
MANIFEST = PROJECT_DIR / "target" / "manifest.json"
_SOURCES = ("*.sql", "*.yml", "*.csv")


def dbt_executable() -> str:
    """dbt beside this Python: dagster-dbt looks on PATH only, where another environment's may stand."""
    return str(Path(sys.executable).parent / "dbt")


def set_environment(settings: Settings) -> None:
    """What profiles.yml reads, for every dbt process started from this one."""
    os.environ["DBT_WAREHOUSE_PATH"] = str(settings.warehouse)
    os.environ["DBT_MEMORY_LIMIT"] = settings.duckdb_memory_limit
    os.environ["DBT_SPILL_DIRECTORY"] = str(settings.data_dir / ".scratch" / "duckdb")


def run_variables(settings: Settings, window: BuildWindow) -> dict[str, Any]:
    """dbt's `--vars` of one run."""
    return {
        "ledger_url": settings.ledger_url,
        **window.dbt_vars(),
        "attribution_window_days": settings.attribution_window_days,
        "early_tolerance_minutes": settings.early_tolerance_minutes,
        "future_tolerance_days": settings.future_tolerance_days,
    }


def manifest_path() -> Path:
    """dbt's manifest, parsed again only when a file of the project has changed since."""
    stamp = MANIFEST.with_name("manifest.of")
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    with open(MANIFEST.with_name("manifest.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several code locations may start at once
        state = _state(PROJECT_DIR)
        if not MANIFEST.exists() or not stamp.exists() or stamp.read_text(encoding="utf-8") != state:
            _parse()
            stamp.write_text(state, encoding="utf-8")
    return MANIFEST


def _parse() -> None:
    from dbt.cli.main import dbtRunner  # 3 s, and seldom needed

    result = dbtRunner().invoke(
        ["--quiet", "parse", "--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
    )
    if not result.success:
        raise RuntimeError(f"dbt can not parse {PROJECT_DIR.name}: {result.exception}")


def _state(project: Path) -> str:
    digest = hashlib.sha256()
    for path in _project_files(project):
        digest.update(f"{path.relative_to(project)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _project_files(project: Path) -> Iterable[Path]:
    own = ("models", "macros", "tests", "seeds")
    found = (p for folder in own for pattern in _SOURCES for p in (project / folder).rglob(pattern))
    return sorted([*found, project / "dbt_project.yml", project / "profiles.yml"])
