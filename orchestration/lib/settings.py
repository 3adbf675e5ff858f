"""Every setting of the platform: one environment variable each, with a default that works.

Read once (`Settings.from_env()`), checked when read, passed on as a frozen value. Nothing else in the
code reads the environment for configuration. The table in the README is this file's `SETTINGS`.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MIN_KEY_CHARACTERS = 16
# What the warehouse is called, as a file and so as a database: views that are stored say that name.
WAREHOUSE = "warehouse"

# Name, default, meaning. The README's table is made from it (a test compares them).
SETTINGS: tuple[tuple[str, str, str], ...] = (
    ("FEEDBACK_DATA_DIR", "data", "Folder of landing, ledger, warehouse and datasets; relative to the README."),
    ("FEEDBACK_LANDING_URL", "<data dir>/landing", "Where events land: a folder or an fsspec URL."),
    ("FEEDBACK_LEDGER_URL", "<data dir>/ledger", "Where the ledger is kept: a folder."),
    ("FEEDBACK_DATASETS_URL", "<data dir>/datasets", "Where versions are published: a folder."),
    ("FEEDBACK_WAREHOUSE", "<data dir>/warehouse.duckdb", "The DuckDB file that dbt builds, in any folder."),
    ("FEEDBACK_PUBLISHED_DIR", "<data dir>/published", "Folder of what analysts read; give it a group and a mode."),
    ("FEEDBACK_FIRST_DAY", "2019-01-01", "First received date that has a partition."),
    ("FEEDBACK_ATTRIBUTION_WINDOW_DAYS", "30", "How long after its inference feedback may come, in days."),
    ("FEEDBACK_EARLY_TOLERANCE_MINUTES", "5", "How far feedback may precede its inference (clock skew)."),
    ("FEEDBACK_FUTURE_TOLERANCE_DAYS", "1", "How far past the end of its received date feedback may be dated."),
    ("FEEDBACK_MAX_LINE_BYTES", "8388608", "A longer line goes to dead letter as line_too_long."),
    ("FEEDBACK_THRESHOLDS", "expectations/thresholds.yml", "The gates' thresholds; relative to the README."),
    ("FEEDBACK_RULES", "dbt_project/rules.yml", "Which rules count and their thresholds; relative to the README."),
    ("FEEDBACK_EXPERIMENTS", "dbt_project/experiments.yml", "What is declared of experiments; relative to the README."),
    ("FEEDBACK_RECIPES", "recipes", "Folder of the datasets' recipes; relative to the README."),
    ("FEEDBACK_MODEL_REGISTRY", "<data dir>/models.yml", "The models that feature attributions explain; none without."),
    ("FEEDBACK_PRIVACY", "privacy.yml", "What is done about personal data when it is loaded; relative to the README."),
    ("FEEDBACK_PSEUDONYM_KEY", "none", "Key of the tokens that stand for user ids; several, oldest first, by commas."),
    ("FEEDBACK_PSEUDONYM_KEY_FILE", "none", "File with these keys, one a line, readable by its owner only."),
    ("FEEDBACK_ENCRYPTION_KEY", "none", "Key that ledger, datasets and warehouse are encrypted with."),
    ("FEEDBACK_ENCRYPTION_KEY_FILE", "none", "File with that key, readable by its owner only."),
    ("FEEDBACK_ENCRYPTION_KEY_COMMAND", "none", "Command that prints that key, e.g. of a key management service."),
    ("FEEDBACK_PSEUDONYM_MAP", "none", "File that keeps which user a token stands for, outside the data folder."),
    (
        "FEEDBACK_RETENTION",
        "<data dir>/retention.yml",
        "How long files, texts and versions stay, and what is held.",
    ),
    ("FEEDBACK_SIGNING_KEY", "made when needed", "Key that erasure reports are signed with."),
    ("FEEDBACK_SIGNING_KEY_FILE", "none", "File with this key, readable by its owner only."),
    ("FEEDBACK_DATA_DOCS", "true", "Whether a run leaves Great Expectations Data Docs beside the datasets."),
    ("FEEDBACK_LOADING_PARTITIONS", "daily", "What is loaded at a time: `daily` or `hourly`; all else goes by days."),
    ("FEEDBACK_DUCKDB_MEMORY_LIMIT", "4GiB", "Memory that DuckDB may use before it spills to disk."),
    ("FEEDBACK_LOCK_TIMEOUT_SECONDS", "3600", "How long a run waits for another that writes the warehouse."),
)


class SettingsError(ValueError):
    """A setting has a value that can not be used; the message names it and the cure."""


class StateError(RuntimeError):
    """What was asked for is not there, or not yet; the message says what to do. A command exits with 1."""


@dataclass(frozen=True)
class Secret:
    """A text that no log, traceback or metadata may show."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The platform's configuration. Paths are absolute; URLs are anything that fsspec opens."""

    data_dir: Path
    landing_url: str
    ledger_url: str
    datasets_url: str
    warehouse: Path
    published_dir: Path
    first_day: date
    attribution_window_days: int
    early_tolerance_minutes: int
    future_tolerance_days: int
    max_line_bytes: int
    thresholds: Path
    rules: Path
    experiments: Path
    recipes: Path
    model_registry: Path
    privacy: Path
    pseudonym_keys: tuple[Secret, ...]
    encryption_key: Secret | None
    pseudonym_map: Path | None
    retention: Path
    signing_key: Secret | None
    data_docs: bool
    loads_by_hour: bool
    duckdb_memory_limit: str
    lock_timeout_seconds: int

    @property
    def enrichment_dir(self) -> Path:
        """Files that are computed beside dbt and read by its views."""
        return self.data_dir / "enrichment"

    @property
    def operations_dir(self) -> Path:
        """What is known of the runs, not of the events; dbt's views read it."""
        return self.data_dir / "operations"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Reads the environment. Raises SettingsError, naming the variable, for a value that is no good."""
        env = os.environ if env is None else env
        _refuse_unknown(env)
        defaults = {name: default for name, default, _ in SETTINGS}

        def text(name: str) -> str:
            return env.get(name) or defaults[name]

        data_dir = _path(text("FEEDBACK_DATA_DIR"))

        def place(name: str, folder: str) -> str:
            given = env.get(name) or str(data_dir / folder)
            return given.rstrip("/") if "://" in given else str(_path(given))

        return cls(
            data_dir=data_dir,
            landing_url=place("FEEDBACK_LANDING_URL", "landing"),
            ledger_url=_folder("FEEDBACK_LEDGER_URL", place("FEEDBACK_LEDGER_URL", "ledger")),
            datasets_url=_folder("FEEDBACK_DATASETS_URL", place("FEEDBACK_DATASETS_URL", "datasets")),
            warehouse=_database(
                "FEEDBACK_WAREHOUSE", env.get("FEEDBACK_WAREHOUSE") or str(data_dir / "warehouse.duckdb")
            ),
            published_dir=_path(env.get("FEEDBACK_PUBLISHED_DIR") or str(data_dir / "published")),
            first_day=_day("FEEDBACK_FIRST_DAY", text("FEEDBACK_FIRST_DAY")),
            attribution_window_days=_number("FEEDBACK_ATTRIBUTION_WINDOW_DAYS", text, at_least=0),
            early_tolerance_minutes=_number("FEEDBACK_EARLY_TOLERANCE_MINUTES", text, at_least=0),
            future_tolerance_days=_number("FEEDBACK_FUTURE_TOLERANCE_DAYS", text, at_least=0),
            max_line_bytes=_number("FEEDBACK_MAX_LINE_BYTES", text, at_least=1024),
            thresholds=_path(text("FEEDBACK_THRESHOLDS")),
            rules=_path(text("FEEDBACK_RULES")),
            experiments=_path(text("FEEDBACK_EXPERIMENTS")),
            recipes=_path(text("FEEDBACK_RECIPES")),
            model_registry=_registry("FEEDBACK_MODEL_REGISTRY", env, data_dir),
            privacy=_path(text("FEEDBACK_PRIVACY")),
            pseudonym_keys=_keys("FEEDBACK_PSEUDONYM_KEY", env, data_dir),
            encryption_key=_encryption_key("FEEDBACK_ENCRYPTION_KEY", env, data_dir),
            pseudonym_map=_map("FEEDBACK_PSEUDONYM_MAP", env, data_dir),
            retention=_policy("FEEDBACK_RETENTION", env, data_dir),
            signing_key=_one_key("FEEDBACK_SIGNING_KEY", env, data_dir),
            data_docs=_boolean("FEEDBACK_DATA_DOCS", text("FEEDBACK_DATA_DOCS")),
            loads_by_hour=_by_hour("FEEDBACK_LOADING_PARTITIONS", text("FEEDBACK_LOADING_PARTITIONS")),
            duckdb_memory_limit=_memory("FEEDBACK_DUCKDB_MEMORY_LIMIT", text("FEEDBACK_DUCKDB_MEMORY_LIMIT")),
            lock_timeout_seconds=_number("FEEDBACK_LOCK_TIMEOUT_SECONDS", text, at_least=0),
        )


def _refuse_unknown(env: Mapping[str, str]) -> None:
    # A misspelt setting that is silently ignored costs an afternoon. REAL_DATA belongs to the tests.
    known = {name for name, _, _ in SETTINGS} | {"FEEDBACK_REAL_DATA"}
    for name in sorted(env):
        if name.startswith("FEEDBACK_") and name not in known:
            raise SettingsError(f"{name} is no setting of this platform; the README lists those that are")


def _path(text: str) -> Path:
    path = Path(text).expanduser()
    return path if path.is_absolute() else REPOSITORY / path


def _database(name: str, text: str) -> Path:
    path = _path(text)
    if path.stem != WAREHOUSE:
        raise SettingsError(
            f"{name}={text!r}: call the file {WAREHOUSE}.duckdb, in any folder; its views name their database by it"
        )
    return path


def _folder(name: str, url: str) -> str:
    # Landing is read through fsspec. dbt reads the ledger by itself, and a version becomes visible by a rename:
    # neither has been shown to work on an object store yet, so neither is promised.
    if "://" in url:
        raise SettingsError(f"{name}={url!r} must be a folder; only FEEDBACK_LANDING_URL may be an fsspec URL")
    return url


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is no day; write YYYY-MM-DD") from None


def _registry(name: str, env: Mapping[str, str], data_dir: Path) -> Path:
    # Without models nothing is explained, and that is sound; a file that was asked for and is not there is a mistake.
    given = env.get(name)
    if given and not _path(given).is_file():
        raise SettingsError(f"{name}={given!r} is no file; write it, or unset the variable to explain no model")
    return _path(given) if given else data_dir / "models.yml"


def _policy(name: str, env: Mapping[str, str], data_dir: Path) -> Path:
    # As with models: nothing expires without a policy, and one that was asked for has to be there.
    given = env.get(name)
    if given and not _path(given).is_file():
        raise SettingsError(f"{name}={given!r} is no file; write it, or unset the variable to keep all")
    return _path(given) if given else data_dir / "retention.yml"


def _keys(name: str, env: Mapping[str, str], data_dir: Path, *, between: str | None = ",") -> tuple[Secret, ...]:
    """The keys of a setting, or those in the file that `<name>_FILE` names; no error shows one.

    `between` is what stands between several in the setting; None where it is one, whatever is in it.
    """
    given, file = env.get(name), env.get(f"{name}_FILE")
    if given and file:
        raise SettingsError(f"{name} and {name}_FILE are both set; unset one")
    if given:
        keys = given.split(between) if between else [given]
    else:
        keys = _key_file(f"{name}_FILE", _path(file), data_dir) if file else []
    if any(len(key) < MIN_KEY_CHARACTERS for key in keys):
        raise SettingsError(
            f"{name} has a key of fewer than {MIN_KEY_CHARACTERS} characters; make one with `openssl rand -hex 32`"
        )
    return tuple(Secret(key) for key in keys)


def _one_key(name: str, env: Mapping[str, str], data_dir: Path) -> Secret | None:
    keys = _keys(name, env, data_dir, between=None)
    if len(keys) > 1:
        raise SettingsError(f"{name}_FILE has {len(keys)} lines, and there is one key")
    return keys[0] if keys else None


def _encryption_key(name: str, env: Mapping[str, str], data_dir: Path) -> Secret | None:
    """The one key of a setting, of its file or of its command."""
    command = env.get(f"{name}_COMMAND")
    if command and (env.get(name) or env.get(f"{name}_FILE")):
        raise SettingsError(f"{name}_COMMAND is set and so is {name} or {name}_FILE; unset one")
    return _one_key(name, {name: _key_of_command(f"{name}_COMMAND", command)} if command else env, data_dir)


@cache
def _key_of_command(name: str, command: str) -> str:
    """What a command prints; it runs once in a process, and what it says of errors goes where ours do.

    No error of ours shows the command: it may have a secret among its arguments.
    """
    try:
        said = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, check=False, timeout=60)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{name} can not be run: {type(error).__name__}") from None
    key = said.stdout.decode(errors="replace").strip()
    if said.returncode or not key:
        raise SettingsError(f"{name} ended with exit code {said.returncode} and gave no key")
    return key


def _key_file(name: str, path: Path, data_dir: Path) -> list[str]:
    if not path.is_file():
        raise SettingsError(f"{name}={str(path)!r} is no file")
    if path.resolve().is_relative_to(data_dir.resolve()):
        raise SettingsError(f"{name}={str(path)!r} is in the data folder; a key is kept apart from what it protects")
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{name}={str(path)!r} can be read by others than its owner; `chmod 600` it")
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _map(name: str, env: Mapping[str, str], data_dir: Path) -> Path | None:
    given = env.get(name)
    if not given:
        return None
    path = _path(given)
    if path.resolve().is_relative_to(data_dir.resolve()):
        raise SettingsError(f"{name}={given!r} is in the data folder; it tells who a token is, so keep it apart")
    if not path.parent.is_dir():
        raise SettingsError(f"{name}={given!r}: make the folder {str(path.parent)!r} first")
    return path


def _number(name: str, text: Callable[[str], str], *, at_least: int) -> int:
    value = text(name)
    if not value.isdigit() or int(value) < at_least:
        raise SettingsError(f"{name}={value!r} must be a whole number of at least {at_least}")
    return int(value)


def _boolean(name: str, text: str) -> bool:
    words = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}
    if text.lower() not in words:
        raise SettingsError(f"{name}={text!r} must be true or false")
    return words[text.lower()]


def _by_hour(name: str, text: str) -> bool:
    if text not in ("daily", "hourly"):
        raise SettingsError(f"{name}={text!r} must be daily or hourly")
    return text == "hourly"


def _memory(name: str, text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?\s?(KiB|MiB|GiB|TiB|KB|MB|GB|TB)", text):
        raise SettingsError(f"{name}={text!r} must be a size such as 4GiB")
    return text
