"""The dbt project as Dagster runs it: where it is, its manifest, and building it in this process.

In this process, because a dbt process costs 5 s of imports and, with the variables of every run different,
5 s of parsing; here the parsed project is kept and only handed the new variables (docs/decisions/0004).
"""

import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orchestration.lib.build_window import BuildWindow
from orchestration.lib.encryption import READ_OPTION
from orchestration.lib.experiments import load_experiments
from orchestration.lib.feedback_rules import RULES_WINDOW_DAYS, declared_rules, load_rule_settings
from orchestration.lib.ledger import ledger_rows
from orchestration.lib.retention.findings import FOLDER as FINDINGS
from orchestration.lib.settings import REPOSITORY, WAREHOUSE, Settings

PROJECT_DIR = REPOSITORY / "dbt_project"
RULES_DIR = PROJECT_DIR / "models" / "rules"
MANIFEST = PROJECT_DIR / "target" / "manifest.json"
# The targets of profiles.yml.
CLEAR, ENCRYPTED = "duckdb", "encrypted"
# The environment variables that the locations of dbt's sources hold.
PLACES = ("DBT_LEDGER_URL", "DBT_ENRICHMENT_URL", "DBT_OPERATIONS_URL")
_SOURCES = ("*.sql", "*.yml", "*.csv")


class DbtError(RuntimeError):
    """dbt could not build a model, or a test found an invariant broken; the message says which and why."""


@dataclass(frozen=True)
class NodeResult:
    """What became of one model or test. `failures` counts a test's failing rows."""

    resource_type: str
    name: str
    status: str
    seconds: float
    failures: int
    message: str

    @property
    def success(self) -> bool:
        return self.status in ("success", "pass", "warn")


def set_environment(settings: Settings) -> None:
    """What profiles.yml and the sources read, for dbt in this process."""
    os.environ["DBT_WAREHOUSE_PATH"] = str(settings.warehouse)
    os.environ["DBT_MEMORY_LIMIT"] = settings.duckdb_memory_limit
    os.environ["DBT_SPILL_DIRECTORY"] = str(settings.data_dir / ".scratch" / "duckdb")
    os.environ.update(_places(settings))


def _places(settings: Settings) -> dict[str, str]:
    """PLACES as these settings have them."""
    places = (settings.ledger_url, str(settings.enrichment_dir), str(settings.operations_dir))
    return dict(zip(PLACES, places, strict=True))


def run_variables(settings: Settings, window: BuildWindow) -> dict[str, Any]:
    """dbt's `--vars` of one run."""
    return {
        **window.dbt_vars(),
        "attribution_window_days": settings.attribution_window_days,
        "early_tolerance_minutes": settings.early_tolerance_minutes,
        "future_tolerance_days": settings.future_tolerance_days,
        "encrypted": settings.encryption_key is not None,
        "rules_window_days": RULES_WINDOW_DAYS,
        "rules": load_rule_settings(settings.rules, declared_rules(manifest_path())),
        "experiments": load_experiments(settings.experiments),
    }


def invoke(arguments: list[str], *, manifest: Any = None, callbacks: list[Callable[[Any], None]] | None = None) -> Any:
    """Runs one dbt command on the project in this process and lets go of the warehouse afterwards."""
    from dbt.cli.main import dbtRunner  # 3 s, and only runs need it

    # dbt has to know at parsing which models feed another: the rules are those whose files are there.
    os.environ["DBT_RULE_MODELS"] = " ".join(sorted(path.stem for path in RULES_DIR.glob("*.sql")))
    place = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
    # What dbt has to say comes back in its result; wording 4,000 events for no log took a tenth of a small build.
    quiet = ["--log-level", "none", "--log-level-file", "none", "--no-print"]
    given, sys.argv = sys.argv, ["dbt", arguments[0]]
    try:
        # dbt writes the process's arguments into its results, and those of `attribution erase` name a person.
        return dbtRunner(manifest=manifest, callbacks=callbacks).invoke([*quiet, *arguments, *place])
    finally:
        sys.argv = given
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def build(settings: Settings, variables: str, *, tell: Callable[[str], None]) -> Iterator[NodeResult]:
    """`dbt build` without unit tests; every node's result in the order in which dbt ran them."""
    target = settings.data_dir / ".scratch" / "dbt"

    def progress(event: Any) -> None:
        if event.info.name == "LogModelResult":
            tell(f"dbt: {event.data.description} in {event.data.execution_time:.1f} s ({event.data.status})")

    what = ["build", "--exclude-resource-type", "unit_test", "--vars", variables, "--target-path", str(target)]
    result = invoke(
        # The project as JSON is in MANIFEST; another 2 MB of it beside each build took as long as ten models.
        [*what, "--no-write-json", "--target", ENCRYPTED if settings.encryption_key else CLEAR],
        manifest=project_of(settings),
        callbacks=[progress],
    )
    if result.result is None:
        raise DbtError(f"dbt could not start: {result.exception}")
    result.result.write(str(target / "run_results.json"))
    for node in result.result.results:
        yield NodeResult(
            resource_type=str(node.node.resource_type),
            name=node.node.name,
            status=str(node.status),
            seconds=float(node.execution_time),
            failures=node.failures or 0,
            message=node.message or "",
        )


def project_of(settings: Settings) -> Any:
    """The parsed project with its sources where these settings have them."""
    project = _parsed()
    for source in project.sources.values():
        location = source.config.meta["external_location"]
        for variable, place in _places(settings).items():
            location = location.replace(_placeholder(variable), place)
        if settings.encryption_key:
            location = _encrypted(settings, source.source_name, source.name, location)
        source.meta = {**source.config.meta, "external_location": location}
    return project


def _encrypted(settings: Settings, source: str, table: str, location: str) -> str:
    """The place of a source as it is read where it is encrypted; what is known of the runs is in clear."""
    if source == "ledger" and table != FINDINGS:
        return ledger_rows(settings, table)
    return location.removesuffix(")") + f"{READ_OPTION})" if source in ("ledger", "enrichment") else location


@cache
def _parsed() -> Any:
    """The project, parsed for any data folder."""
    with _locked():
        # Nothing is written: another process may be reading the file that Dagster makes its assets from.
        return _parse("--no-write-json")


def _parse(*flags: str) -> Any:
    """Parses the project as it is in no data folder: so dbt takes up what the last process has parsed, whatever its
    folder was (its partial parsing; where the environment is another, it parses all files anew).
    """
    profile = {"DBT_WAREHOUSE_PATH": f"{WAREHOUSE}.duckdb", "DBT_MEMORY_LIMIT": "", "DBT_SPILL_DIRECTORY": ""}
    with _environment({**{variable: _placeholder(variable) for variable in PLACES}, **profile}):
        manifest = invoke([*flags, "parse"])
    if not manifest.success:
        raise DbtError(f"dbt can not parse {PROJECT_DIR.name}: {manifest.exception}")
    return manifest.result


def _placeholder(variable: str) -> str:
    return f"<{variable}>"


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _locked() -> Iterator[None]:
    """One process parses at a time: several code locations may start at once."""
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    with open(MANIFEST.with_name("manifest.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def manifest_path() -> Path:
    """dbt's manifest, parsed again only when a file of the project has changed since."""
    stamp = MANIFEST.with_name("manifest.of")
    with _locked():
        state = project_state()
        if not MANIFEST.exists() or not stamp.exists() or stamp.read_text(encoding="utf-8") != state:
            # From nothing: what is taken up later is what was parsed here, never a patchwork.
            _parse("--no-partial-parse")
            stamp.write_text(state, encoding="utf-8")
    return MANIFEST


def project_state() -> str:
    """Tells the project's files, as they are now, from others."""
    digest = hashlib.sha256()
    for path in _project_files(PROJECT_DIR):
        digest.update(f"{path.relative_to(PROJECT_DIR)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _project_files(project: Path) -> Iterable[Path]:
    own = ("models", "macros", "tests", "seeds")
    found = (p for folder in own for pattern in _SOURCES for p in (project / folder).rglob(pattern))
    return sorted([*found, project / "dbt_project.yml", project / "profiles.yml"])
