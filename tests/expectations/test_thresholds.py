"""Thresholds: the contract's by default, and no misspelt or senseless file goes unnoticed."""

from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest
import yaml

from expectations.thresholds import DEFAULT_THRESHOLDS, RecentPast, Thresholds, load_thresholds


def thresholds_file(folder: Path, text: str) -> Path:
    path = folder / "my_thresholds.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_default_gate_is_the_contracts() -> None:
    assert load_thresholds() == Thresholds(max_dead_letter_share=0.20, max_invalid_share=0.20)


def test_the_file_and_the_defaults_in_code_can_not_drift_apart() -> None:
    assert load_thresholds(DEFAULT_THRESHOLDS) == Thresholds()


def test_what_a_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    path = thresholds_file(tmp_path, "max_invalid_share: 0.5\n")
    assert load_thresholds(path) == Thresholds(max_dead_letter_share=0.20, max_invalid_share=0.5)
    assert load_thresholds(thresholds_file(tmp_path, "# nothing\n")) == Thresholds()


def test_the_recent_past_is_set_key_by_key(tmp_path: Path) -> None:
    text = """
recent_past:
  block_share: 0.5
  block_volume_factor: 10
  new_normal_from: [2024-03-01, 2024-01-15]
"""
    assert load_thresholds(thresholds_file(tmp_path, text)) == Thresholds(
        recent_past=RecentPast(
            block_share=0.5, block_volume_factor=10.0, new_normal_from=(date(2024, 1, 15), date(2024, 3, 1))
        )
    )
    one = thresholds_file(tmp_path, "recent_past: {new_normal_from: 2024-01-15}\n")
    assert load_thresholds(one).recent_past.new_normal_from == (date(2024, 1, 15),)


def test_the_readme_tells_every_key_of_the_recent_past_with_its_default() -> None:
    readme = (DEFAULT_THRESHOLDS.parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("| key | default | meaning |") :].split("\n\n")[0]
    told: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        keys, defaults = row.split("|")[1:3]
        told |= dict(zip(keys.replace("`", "").split(","), defaults.replace("`", "").split(","), strict=True))
    values = {name.strip(): yaml.safe_load(value) for name, value in told.items()}
    assert values == {**asdict(RecentPast()), "new_normal_from": []}


@pytest.mark.parametrize("share", ["0", "1", "0.0", "1.0", "0.005"])
def test_both_ends_are_thresholds(tmp_path: Path, share: str) -> None:
    assert load_thresholds(thresholds_file(tmp_path, f"max_invalid_share: {share}")).max_invalid_share == float(share)


@pytest.mark.parametrize(
    ("text", "key", "cure"),
    [
        ("max_dead_leter_share: 0.1", "max_dead_leter_share", "write one of max_dead_letter_share, max_invalid_share"),
        ("1: 0.1", "1", "write one of"),
        ("max_invalid_share: '0.1'", "max_invalid_share", "write a number from 0 to 1"),
        ("max_invalid_share: 20%", "max_invalid_share", "write a number from 0 to 1"),
        ("max_invalid_share: true", "max_invalid_share", "write a number from 0 to 1"),
        ("max_invalid_share:", "max_invalid_share", "write a number from 0 to 1"),
        ("max_invalid_share: [0.1]", "max_invalid_share", "write a number from 0 to 1"),
        ("max_invalid_share: 20", "max_invalid_share", "for 20 % write 0.2"),
        ("max_invalid_share: -0.1", "max_invalid_share", "for 20 % write 0.2"),
        ("max_invalid_share: .nan", "max_invalid_share", "for 20 % write 0.2"),
        ("max_invalid_share: .inf", "max_invalid_share", "for 20 % write 0.2"),
        ("- max_invalid_share", "", "write lines such as"),
        ("recent_past: 5", "recent_past", "write lines such as '  block_share: 0.03'"),
        ("recent_past:", "recent_past", "write lines such as"),
        ("recent_past: {block_sher: 0.1}", "recent_past.block_sher", "recent_past.block_share"),
        ("block_share: 0.1", "block_share", "write one of max_dead_letter_share"),
        ("recent_past: {block_share: 3}", "recent_past.block_share", "for 20 % write 0.2"),
        ("recent_past: {history_days: 0}", "recent_past.history_days", "whole number of at least 1"),
        ("recent_past: {history_days: 2.5}", "recent_past.history_days", "whole number of at least 1"),
        ("recent_past: {min_days: true}", "recent_past.min_days", "whole number of at least 2"),
        ("recent_past: {min_days: 29}", "recent_past.min_days", "write a smaller number"),
        ("recent_past: {block_surprise: .nan}", "recent_past.block_surprise", "at least 0, such as 5"),
        ("recent_past: {block_surprise: high}", "recent_past.block_surprise", "write a number, such as 5"),
        ("recent_past: {volume_factor: 0.5}", "recent_past.volume_factor", "at least 1, such as 2"),
        ("recent_past: {block_volume_factor: 1}", "recent_past.block_volume_factor", "0 for never"),
        ("recent_past: {new_normal_from: [soon]}", "recent_past.new_normal_from", "such as [2024-01-15]"),
        ("recent_past: {new_normal_from: 2024-01-15 10:00:00}", "recent_past.new_normal_from", "a list of days"),
        ("recent_past: {new_normal_from: [2024-02-31]}", "", "is not YAML"),
        ("max_invalid_share: [", "", "write lines such as"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_file_key_and_cure(
    tmp_path: Path, text: str, key: str, cure: str
) -> None:
    path = thresholds_file(tmp_path, text)
    with pytest.raises(ValueError) as error:
        load_thresholds(path)
    assert str(path) in str(error.value)
    assert key in str(error.value)
    assert cure in str(error.value)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.yml: can not be read .* name a file that exists"):
        load_thresholds(tmp_path / "gone.yml")
    path = tmp_path / "latin.yml"
    path.write_bytes(b"# \xe9t\xe9\n")
    with pytest.raises(ValueError, match=r"latin\.yml: is not UTF-8"):
        load_thresholds(path)
