"""What may be declared of experiments, and what is refused before a run starts."""

from pathlib import Path

import pytest

from orchestration.lib.experiments import ExperimentsError, load_experiments
from orchestration.lib.settings import Settings


def written(folder: Path, text: str) -> Path:
    path = folder / "experiments.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_declared_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "/a: {control: stable}\n/b: {since: 2024-01-15, shares: {x: 0.9, y: 0.1}}\n")
    assert load_experiments(path) == {
        "/a": {"control": "stable", "since": None, "shares": None},
        "/b": {"control": None, "since": "2024-01-15", "shares": {"x": 0.9, "y": 0.1}},
    }


def test_the_shipped_file_declares_nothing() -> None:
    assert load_experiments(Settings.from_env({}).experiments) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- /a", "must be a mapping of endpoints"),
        ("/a: [", "is no YAML"),
        ("7: {control: x}", "an endpoint is text"),
        ("/a: {controls: x}", "may say control, since, shares"),
        ("/a: {control: 7}", "/a.control: must be the name of an arm"),
        ("/a: {since: soon}", "/a.since: must be a day"),
        ("/a: {since: 2024-01-15 10:00:00}", "/a.since: must be a day"),
        ("/a: {shares: {x: 1, y: 1}}", "/a.since: is missing"),
        ("/a: {since: 2024-01-15, shares: {x: 1}}", "/a.shares: must give two arms"),
        ("/a: {since: 2024-01-15, shares: {x: 1, y: 0}}", "/a.shares.y: must be a number above 0"),
        ("/a: {since: 2024-01-15, shares: {x: 1, y: .nan}}", "/a.shares.y: must be a number above 0"),
        ("/a: {since: 2024-01-15, shares: {x: 1, true: 1}}", "the arm True is no text"),
    ],
)
def test_what_can_not_be_used_is_refused_with_its_place_and_cure(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ExperimentsError, match=r"experiments\.yml") as refused:
        load_experiments(path)
    assert says in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentsError, match="FEEDBACK_EXPERIMENTS"):
        load_experiments(tmp_path / "none.yml")
