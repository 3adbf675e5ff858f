"""Retention of texts where ledger and warehouse are encrypted and user ids are tokens, and an erasure afterwards.

The failure that this prevents: findings of texts that are in clear, or that keep the ids of who was erased.
"""

import json
import shutil
from pathlib import Path

import pytest

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.ledger import load_partition
from orchestration.lib.ledger_metadata import ledger_metadata
from orchestration.lib.retention import findings
from orchestration.lib.retention.ledger_texts import LOADED, NO_TEXTS, TEXTS
from orchestration.lib.settings import Settings
from tests.platform_under_test import Platform
from tests.test_privacy_together import KEYS, WITH_ANOTHER_KEY, found, settings_of
from tests.text_world import KEPT, OLD, POLICY, expired_texts, land_world

PERSON = "u-req-members-7"
NAMES = "req-members-7"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("together"), KEYS)
    land_world(platform.data_dir)
    (platform.data_dir / "retention.yml").write_text(POLICY, encoding="utf-8")
    assert platform.run(OLD[0], KEPT) == 0 and platform.command("retain") == 0
    return platform


def all_findings(settings: Settings) -> list[tuple[str, str]]:
    paths = [f"{settings.ledger_url}/{path}" for path in findings.stored_paths(settings)]
    with connect(settings) as connection:
        return connection.execute(f"select model, finding from {parquet_files.read(paths)} order by all").fetchall()


def test_texts_go_from_encrypted_files(platform: Platform) -> None:
    settings = settings_of(platform)
    in_datasets = {path for path in found(platform, "|".join(expired_texts())) if not path.startswith("datasets/")}
    assert in_datasets == set()
    files = list((platform.data_dir / "ledger").rglob("*.parquet"))
    assert all(parquet_files.is_encrypted(path) for path in files)
    assert {model for model, _ in all_findings(settings)} == {
        *("int_feedback_receipts", "int_correction_measures", "int_inference_conflicts"),
        *("int_component_shares", "int_chunk_shares", "int_output_uncertainties"),
    }


def test_a_key_that_is_added_leaves_the_texts_where_they_are(platform: Platform, tmp_path: Path) -> None:
    """A day without landing files is brought to today's keys in the ledger; it has lost its texts all the same."""
    shutil.copytree(platform.data_dir, tmp_path / "data")
    settings = settings_of(Platform(tmp_path / "data", {**platform.settings, **WITH_ANOTHER_KEY}))
    before = ledger_metadata(settings, STREAMS[0], LOADED)
    for stream in STREAMS:
        load_partition(settings, stream, OLD[1], tell=lambda _: None)
    assert ledger_metadata(settings, STREAMS[0], TEXTS) == dict.fromkeys(OLD, NO_TEXTS)
    assert ledger_metadata(settings, STREAMS[0], LOADED) == before
    assert len(set(ledger_metadata(settings, STREAMS[0], "ledger_version").values())) == 3


def test_who_is_erased_is_in_no_finding(platform: Platform) -> None:
    settings = settings_of(platform)
    before = all_findings(settings)
    assert [one for one in before if NAMES in one[1]]
    flags = "select * from intermediate.int_feedback_flags order by all"
    assert platform.command("erase", "--user", PERSON, "--dt", str(KEPT)) == 0
    assert found(platform, f"{NAMES}|zqensemble") == set()
    after = all_findings(settings)
    assert set(after) < set(before) and len(after) > len(before) - 8
    with connect(settings, attach={"w": settings.warehouse}) as connection:
        connection.execute("use w")
        reasons = {row[0] for row in connection.execute(f"select reason from ({flags})").fetchall()}
        erased = connection.execute("select sum(erased) from marts.daily_accounts").fetchall()
    assert reasons >= {"no_op_correction", "coordinated_text"} and erased == [(1,)]
    report = next((platform.data_dir / "erasures").glob("*/report.json"))
    assert json.loads(report.read_text(encoding="utf-8"))["found"]["lines_erased"] == {"feedback": 1, "inferences": 1}
