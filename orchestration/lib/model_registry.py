"""The model registry: which artefact answered as which model version, and how its features are fed to it.

One declarative file (FEEDBACK_MODEL_REGISTRY), checked when it is loaded; nothing of an artefact is opened here but its
bytes. Loading a pickle or an MLflow folder runs code of its author, so that every artefact is pinned by its sha256:
what is explained is what was vetted, or nothing (docs/decisions/0010).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestration.lib.store import file_sha256

# What must be importable to load an artefact; `shap` itself is needed for all.
FLAVORS: dict[str, tuple[str, ...]] = {
    "sklearn": ("sklearn", "joblib"),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "mlflow_pyfunc": ("mlflow",),
}
# xgboost's categories live in the caller's data frame, and shap does not follow them.
TAKES_CATEGORICAL = ("sklearn", "lightgbm", "mlflow_pyfunc")
_REQUIRED = ("model_version", "flavor", "path", "features")
_OPTIONAL = ("model_name", "sha256", "categorical", "classes", "output", "background")
# A file of thousands of rows makes each explanation thousands of predictions.
MOST_BACKGROUND_ROWS = 1000


class RegistryError(ValueError):
    """The registry, or a file that it names, can not be used; the message names file, entry, field and cure."""


@dataclass(frozen=True, kw_only=True)
class PinnedFile:
    """A file or folder and the sha256 that it must have."""

    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model version. `features` are in the order in which the model takes them."""

    model_version: str
    model_name: str | None
    flavor: str
    artefact: PinnedFile
    features: tuple[str, ...]
    categorical: frozenset[str]
    classes: tuple[str, ...]
    output: str | None
    background: PinnedFile | None

    @property
    def title(self) -> str:
        return f"{self.model_name} {self.model_version}" if self.model_name else self.model_version


@dataclass(frozen=True)
class ModelRegistry:
    """The models that can be explained, by name and version."""

    entries: tuple[ModelEntry, ...] = ()

    def find(self, model_name: str | None, model_version: str) -> ModelEntry | None:
        """The entry of an inference's model; one that names the model goes before one that does not."""
        by_key = {(entry.model_name, entry.model_version): entry for entry in self.entries}
        return by_key.get((model_name, model_version)) or by_key.get((None, model_version))

    def modules(self) -> list[str]:
        """What has to be installed to explain every entry, sorted."""
        return sorted({"shap", *(m for e in self.entries for m in FLAVORS[e.flavor])}) if self.entries else []


def load_registry(path: Path) -> ModelRegistry:
    """Reads the registry; one that is not there has no models. Raises RegistryError."""
    if not path.exists():
        return ModelRegistry()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path}: it is no YAML: {error}") from None
    if not isinstance(content, dict) or set(content) != {"models"} or not isinstance(content["models"], list):
        raise RegistryError(f"{path}: a registry is one list below `models:`; the README shows an entry")
    entries = tuple(_entry(path, number, fields) for number, fields in enumerate(content["models"], start=1))
    seen: set[tuple[str | None, str]] = set()
    for entry in entries:
        if (key := (entry.model_name, entry.model_version)) in seen:
            raise RegistryError(f"{path}: {entry.title!r} has two entries; keep one")
        seen.add(key)
    return ModelRegistry(entries)


def _entry(path: Path, number: int, fields: Any) -> ModelEntry:
    if not isinstance(fields, Mapping):
        raise RegistryError(f"{path}, entry {number}: it must be a mapping of fields, not {type(fields).__name__}")

    def refuse(field: str, why: str) -> RegistryError:
        return RegistryError(f"{path}, entry {number} ({fields.get('model_version', '?')}), field {field!r}: {why}")

    def texts(field: str) -> tuple[str, ...]:
        value = fields.get(field, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise refuse(field, "it must be a list of texts; put numbers in quotes")
        if len(set(value)) != len(value):
            raise refuse(field, "it has a text twice")
        return tuple(value)

    for field in fields:
        if field not in (*_REQUIRED, *_OPTIONAL):
            raise refuse(field, f"it is unknown; an entry has {', '.join((*_REQUIRED, *_OPTIONAL))}")
    for field in _REQUIRED:
        if not fields.get(field):
            raise refuse(field, "it is missing")
    for field in ("model_version", "model_name", "flavor", "path", "output"):
        if field in fields and not isinstance(fields[field], str):
            raise refuse(field, "it must be a text; put it in quotes")
    if fields["flavor"] not in FLAVORS:
        raise refuse("flavor", f"{fields['flavor']!r} is none of {', '.join(FLAVORS)}")
    features, categorical, classes = texts("features"), texts("categorical"), texts("classes")
    if stray := sorted(set(categorical) - set(features)):
        raise refuse("categorical", f"{stray[0]!r} is none of the features")
    if categorical and fields["flavor"] not in TAKES_CATEGORICAL:
        raise refuse("categorical", f"{fields['flavor']} takes numbers only; encode before the model")
    background = fields.get("background")
    if background is not None and (not isinstance(background, Mapping) or set(background) - {"path", "sha256"}):
        raise refuse("background", "it must have `path` (.parquet or .csv) and `sha256`")
    if background is not None and Path(str(background.get("path"))).suffix not in (".parquet", ".csv"):
        raise refuse("background", "its `path` must be a .parquet or .csv file")
    return ModelEntry(
        model_version=fields["model_version"],
        model_name=fields.get("model_name"),
        flavor=fields["flavor"],
        artefact=_pinned(path, fields, lambda why: refuse("sha256", why)),
        features=features,
        categorical=frozenset(categorical),
        classes=classes,
        output=fields.get("output"),
        background=_pinned(path, background, lambda why: refuse("background", why)) if background else None,
    )


def _pinned(registry: Path, fields: Mapping[str, Any], refuse: Any) -> PinnedFile:
    path = registry.parent / fields["path"]
    pin = fields.get("sha256")
    if isinstance(pin, str) and len(pin) == 64 and set(pin) <= set("0123456789abcdef"):
        return PinnedFile(path=path, sha256=pin)
    # Whoever adds a model needs the value, and a folder's can not be had from sha256sum.
    found = f"that of {path} is now {content_sha256(path)}" if path.exists() else f"there is no {path} yet"
    raise refuse(f"the sha256 is {'no sha256' if pin else 'missing'}; {found}: write it if you trust the file")


def content_sha256(path: Path) -> str:
    """A file's sha256 as hex, or of a folder that of its files' paths and sha256 (Python's caches left out)."""
    if path.is_file():
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(f"{file.relative_to(path).as_posix()}\0{content_sha256(file)}\n".encode())
    return digest.hexdigest()
