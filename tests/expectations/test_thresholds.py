"""Thresholds: the contract's by default, and no misspelt or senseless file goes unnoticed."""

from pathlib import Path

import pytest

from expectations.thresholds import DEFAULT_THRESHOLDS, Thresholds, load_thresholds


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
