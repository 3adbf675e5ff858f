"""Which trained models rest on which dataset versions, as training runs tell it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestration.lib.catalog import Catalog
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

TRAINED_MODELS = "trained_models"
_FILE = "trained_models.json"


def trained_models(settings: Settings) -> list[dict[str, Any]]:
    """The models in the order in which they were registered: `model`, `datasets`, `registered_at`."""
    store = Store(str(settings.data_dir))
    return list(store.read_json(_FILE)) if store.exists(_FILE) else []


def register_model(settings: Settings, model: str, datasets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Notes that a model was trained on versions; returns what was noted.

    Raises StateError for a version that is not published.
    """
    for name, version in datasets:
        Catalog(settings, name).published(version)
    told = {
        "model": model,
        "datasets": [{"name": name, "version": version} for name, version in sorted(set(datasets))],
        "registered_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    store = Store(str(settings.data_dir))
    store.write_json(_FILE, [*trained_models(settings), told], scratch=settings.data_dir / ".scratch")
    return told


def models_on(settings: Settings, versions: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The models that rest on any of the versions, each with those that it does."""
    found = []
    for one in trained_models(settings):
        held = [d for d in one["datasets"] if d["version"] in versions.get(d["name"], ())]
        if held:
            found.append({"model": one["model"], "registered_at": one["registered_at"], "datasets": held})
    return found
