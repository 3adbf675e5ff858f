"""Options of the suite, and the order of its files."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# By what their runs take, the longest first: a file goes to one worker, and one that starts last is waited for by all.
LONGEST = (
    "test_erasure",
    "test_following",
    "test_hourly_loading",
    "test_eight_at_once",
    *("test_planted_traffic", "test_interruption", "test_schema_versions", "test_rules", "test_variants"),
    *("test_origin", "test_label_queue", "test_clean_splits", "test_label_noise_published"),
    *("test_recent_past_gate", "test_two_at_once", "test_backfill_by_daemon", "test_examples", "test_gate_holds_back"),
    *("test_inference_history", "test_conversations", "test_credit", "test_what_users_hold", "test_reviews"),
    *("test_feature_attributions", "test_loop_latency", "test_shards", "test_mutations", "test_real_conversations"),
    *("test_real_datasets", "test_incremental_versions", "test_sampled_datasets", "test_real_label_queue"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=3, help="at how many moments test_interruption kills a run")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(Path(item.path).stem, len(places)))


_watching: list[list[str]] = []


@pytest.fixture(scope="session")
def _watched() -> None:
    """Python has no way to take an audit hook away: there is one, which does nothing while nobody looks."""

    def hook(event: str, given: tuple[object, ...]) -> None:
        if event == "open":
            for paths in _watching:
                paths.append(str(given[0]))

    sys.addaudithook(hook)


@pytest.fixture
def opened(_watched: None) -> Iterator[list[str]]:
    """The files that Python opens while a test runs."""
    paths: list[str] = []
    _watching.append(paths)
    yield paths
    _watching.remove(paths)
