"""The model registry: an entry that can not be used is refused with file, entry, field and cure."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.lib.model_artefacts import load_model
from orchestration.lib.model_registry import RegistryError, content_sha256, load_registry
from orchestration.lib.settings import Settings, SettingsError

SHA = "0" * 64
SOUND = {"model_version": "v1", "flavor": "sklearn", "path": "m.joblib", "sha256": SHA, "features": ["a", "b"]}


def write(folder: Path, *entries: dict[str, Any]) -> Path:
    file = folder / "models.yml"
    file.write_text(yaml.safe_dump({"models": list(entries)}), encoding="utf-8")
    return file


def test_without_the_default_file_there_are_no_models(tmp_path: Path) -> None:
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)})
    assert settings.model_registry == tmp_path / "models.yml"
    assert load_registry(settings.model_registry).entries == ()


def test_a_file_that_was_asked_for_and_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"FEEDBACK_MODEL_REGISTRY='.*nowhere.yml' is no file"):
        Settings.from_env({"FEEDBACK_MODEL_REGISTRY": str(tmp_path / "nowhere.yml")})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"flavour": "sklearn"}, r"'flavour': it is unknown; an entry has model_version, flavor"),
        ({"features": None}, r"entry 1 \(v1\), field 'features': it is missing"),
        ({"features": ["a", "a"]}, r"'features': it has a text twice"),
        ({"features": [1, 2]}, r"'features': it must be a list of texts"),
        ({"model_version": 1.0}, r"'model_version': it must be a text; put it in quotes"),
        ({"flavor": "torch"}, r"'flavor': 'torch' is none of sklearn, xgboost, lightgbm, mlflow_pyfunc"),
        ({"categorical": ["c"]}, r"'categorical': 'c' is none of the features"),
        ({"flavor": "xgboost", "categorical": ["a"]}, r"'categorical': xgboost takes numbers only"),
        ({"sha256": "abc"}, r"'sha256': the sha256 is no sha256; there is no .*m.joblib yet"),
        ({"background": {"path": "rows.json"}}, r"'background': its `path` must be a .parquet or .csv file"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(RegistryError, match=said) as refused:
        load_registry(write(tmp_path, SOUND | change))
    assert str(tmp_path / "models.yml") in str(refused.value)


def test_an_unpinned_artefact_is_refused_with_the_hash_to_write(tmp_path: Path) -> None:
    (tmp_path / "m.joblib").write_bytes(b"model")
    unpinned = {name: value for name, value in SOUND.items() if name != "sha256"}
    with pytest.raises(RegistryError, match=hashlib.sha256(b"model").hexdigest()):
        load_registry(write(tmp_path, unpinned))


def test_two_entries_of_one_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="'v1' has two entries"):
        load_registry(write(tmp_path, SOUND, SOUND))


def test_an_entry_that_names_the_model_goes_before_one_that_does_not(tmp_path: Path) -> None:
    registry = load_registry(write(tmp_path, SOUND, SOUND | {"model_name": "prices"}))
    assert [registry.find(name, "v1").model_name for name in ("prices", "risks", None)] == ["prices", None, None]  # type: ignore[union-attr]
    assert registry.find("prices", "v2") is None


@pytest.mark.parametrize("content", [None, b"no pickle"])
def test_an_artefact_that_is_missing_or_damaged_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "m.joblib").write_bytes(content)
    pinned = SOUND | {"sha256": hashlib.sha256(content or b"").hexdigest()}
    (entry,) = load_registry(write(tmp_path, pinned)).entries
    with pytest.raises(RegistryError, match="can not be loaded as sklearn" if content else "is missing or no file"):
        load_model(entry)


def test_a_changed_file_of_a_model_folder_changes_its_hash(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "model.py").write_text("one")
    before = content_sha256(tmp_path)
    (tmp_path / "code" / "__pycache__").mkdir()
    (tmp_path / "code" / "__pycache__" / "model.pyc").write_bytes(b"cache")
    assert content_sha256(tmp_path) == before
    (tmp_path / "code" / "model.py").write_text("two")
    assert content_sha256(tmp_path) != before


def test_an_artefact_of_other_bytes_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "m.joblib").write_bytes(b"another model")
    (entry,) = load_registry(write(tmp_path, SOUND)).entries
    found = hashlib.sha256(b"another model").hexdigest()
    with pytest.raises(RegistryError, match=f"m.joblib has sha256 {found}, and the registry pins {SHA}; it is not"):
        load_model(entry)
