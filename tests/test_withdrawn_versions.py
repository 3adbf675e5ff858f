"""A withdrawn version: what is left of it, who is led to it, and when its successor is named."""

from datetime import date
from pathlib import Path

import pytest

from orchestration.lib.catalog import FAILED, PASSED, WITHDRAWN, Catalog, PartitionRecord
from orchestration.lib.erasure.withdrawal import REASON, withdraw, withdrawn_difference
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import json_text

DAYS = [date(2024, 6, n) for n in (1, 2, 3)]
NAMES = [f"{day}-{digit * 12}" for day, digit in zip(DAYS, "abc", strict=True)]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Three versions of a dataset, the second of which two partitions have."""
    catalog = Catalog(Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)}), "words")
    for name in NAMES:
        add(catalog, tmp_path, name)
    for day, name in zip(DAYS, (NAMES[0], NAMES[1], NAMES[1]), strict=True):
        catalog.record(day, PartitionRecord(name, PASSED))
    return catalog


def add(catalog: Catalog, folder: Path, version: str) -> None:
    made = folder / "made"
    (made / "data").mkdir(parents=True)
    (made / "data" / "train-00000-of-00001.parquet").write_bytes(b"the words of a person")
    (made / "README.md").write_text("the words of a person")
    told = {
        "name": "words",
        "version": version,
        "partition": version[:10],
        "rows": {"train": 3},
        "classes": {"word": 1},
    }
    (made / "manifest.json").write_text(json_text(told))
    catalog.add(version, made)


def withdraw_all(tmp_path: Path) -> None:
    why = {"reason": REASON, "erasure_id": "er_0123456789abcdef"}
    withdraw(Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)}), {"words": NAMES[1:]}, why)


def test_content_goes_and_nobody_is_led_there(catalog: Catalog, tmp_path: Path) -> None:
    for _ in range(2):  # it may be done again
        withdraw_all(tmp_path)
        assert catalog.versions() == [NAMES[0]]
        assert catalog.latest() == {"version": NAMES[0], "as_of": "2024-06-01"}
        assert catalog.partitions()[DAYS[2]] == PartitionRecord(None, WITHDRAWN)
        folder = Path(catalog.store.full(f"words/{NAMES[1]}"))
        assert [path.name for path in folder.iterdir()] == ["manifest.json"]
        assert catalog.manifest(NAMES[1])["rows"] == {"train": 3} and "classes" not in catalog.manifest(NAMES[1])
    with pytest.raises(StateError, match=r"withdrawn .*er_0123456789abcdef.*no successor yet"):
        catalog.published(NAMES[1])


def test_a_successor_is_named_when_a_gate_lets_it_pass(catalog: Catalog, tmp_path: Path) -> None:
    withdraw_all(tmp_path)
    catalog.record(DAYS[1], PartitionRecord(None, FAILED))
    catalog.note_successors()
    assert catalog.withdrawn()[NAMES[1]]["successor"] is None
    successor = f"{DAYS[1]}-{'d' * 12}"
    add(catalog, tmp_path, successor)
    catalog.record(DAYS[1], PartitionRecord(successor, PASSED))
    catalog.note_successors()
    assert catalog.withdrawn()[NAMES[1]]["successor"] == successor
    assert catalog.manifest(NAMES[1])["withdrawn"]["successor"] == successor
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)})
    told = withdrawn_difference(settings, "words", NAMES[1], successor)
    assert told and told.splitlines()[2].split() == ["erasure", "3", "3"]
    assert withdrawn_difference(settings, "words", NAMES[0], successor) is None


def test_a_version_of_which_only_the_delta_named_somebody_comes_back(catalog: Catalog, tmp_path: Path) -> None:
    withdraw_all(tmp_path)
    assert not catalog.has(NAMES[1])
    add(catalog, tmp_path, NAMES[1])
    assert catalog.has(NAMES[1]) and NAMES[1] not in catalog.withdrawn()


def test_a_version_that_had_its_time_has_no_successor(catalog: Catalog, tmp_path: Path) -> None:
    """Its partition is not published again, unless it was held back by a gate before."""
    catalog.record(DAYS[1], PartitionRecord(NAMES[1], FAILED))
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)})
    withdraw(settings, {"words": NAMES[:2]}, {"reason": "retention"}, are_replaced=False)
    gates = [record.gate for _, record in sorted(catalog.partitions().items())]
    assert gates == [PASSED, FAILED, PASSED] and catalog.latest() is None
    with pytest.raises(StateError, match=r"withdrawn \(retention\); use a later version"):
        catalog.published(NAMES[0])
    told = withdrawn_difference(settings, "words", NAMES[0], NAMES[2])
    assert told and told.splitlines()[2].split() == ["unknown", "3", "3"]
