"""What a version was made with: the libraries that its bytes depend on, and the models that its rows follow from."""

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from orchestration.lib.settings import REPOSITORY

# They write Parquet, the other formats and the card's header.
_LIBRARIES = ("duckdb", "numpy", "pyarrow", "PyYAML")
_MODELS = "dbt_models_sha256"


@cache
def made_with() -> dict[str, str]:
    """As manifests tell it, the same for every version that a process makes."""
    return {
        "feedback-attribution": version("feedback-attribution"),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{name: version(name) for name in _LIBRARIES},
        _MODELS: _models_sha256(),
    }


def _models_sha256() -> str:
    """One hash of what dbt runs: models, macros, and the variables that both have by default."""
    project = REPOSITORY / "dbt_project"
    sql = [path for folder in ("macros", "models") for path in sorted(project.glob(f"{folder}/**/*.sql"))]
    digest = hashlib.sha256()
    for path in [project / "dbt_project.yml", *sql]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(project).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def differences_from(then: Mapping[str, str]) -> list[str]:
    """What is another here than what a manifest tells, in sentences with what to do."""
    told = []
    for name, here in made_with().items():
        was = then.get(name)
        if was is None or was == here:
            continue
        if name == _MODELS:
            told.append(
                f"the models of dbt_project are others (sha256 {here[:12]}, then {was[:12]}): check out that commit"
            )
        else:
            told.append(f"{name} is {here} here and was {was} then: install that one if the bytes are others")
    return told
