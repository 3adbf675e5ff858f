"""A person is erased while somebody follows, in processes of their own as users have them.

The failure that this prevents: a copy in `live/` that the erasure does not know of, or one that comes back.
"""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from tests.platform_under_test import Platform
from tests.test_following import following, is_shown, kill, live, wait_for
from tests.traffic import inference, land, thumbs

DAY = date(2024, 6, 1)
PERSON, NAMESAKE = 7, 70
LEFT, LEFT_OF_NAMESAKE = b"user-7", b"user-70"


def shown(platform: Platform) -> set[str]:
    if not (platform.data_dir / "live" / "live.duckdb").exists():
        return set()
    return {row["user_id"] for row in live(platform, "select user_id from attributed_feedback")}


def files_with_the_person(platform: Platform) -> list[Path]:
    kept = [path for path in (platform.data_dir / "live").rglob("*") if path.is_file()]
    assert len(kept) >= 3
    return [path for path in kept if LEFT in contents(path).replace(LEFT_OF_NAMESAKE, b"")]


def contents(path: Path) -> bytes:
    """With a segment's rows, which are compressed in it."""
    rows = duckdb.connect().execute("from read_parquet(?)", [str(path)]).fetchall() if path.suffix == ".parquet" else ""
    return path.read_bytes() + repr(rows).encode()


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("erased") / "data")
    land(platform.data_dir, "inferences", DAY, [inference(DAY, n) for n in (PERSON, NAMESAKE, 3)])
    land(platform.data_dir, "feedback", DAY, [thumbs(DAY, n) for n in (PERSON, NAMESAKE)])
    with following(platform) as process:
        wait_for(lambda: is_shown(platform, 2), "both files in the view")
        assert shown(platform) == {"user-7", "user-70"}
        assert files_with_the_person(platform), "or the search finds nothing anywhere"
        assert platform.command("erase", "--user", "user-7", "--dt", str(DAY)) == 0
        # Their feedback comes once more, from a phone that was off: who was erased stays so.
        land(platform.data_dir, "feedback", DAY, [thumbs(DAY, n) for n in (PERSON, 3)], name="late.jsonl")
        wait_for(lambda: shown(platform) == {"user-70", "user-3"}, "the view without them")
        assert process.poll() is None, log(platform)
        kill(process)
    go_on(platform)
    return platform


def go_on(platform: Platform) -> None:
    """As after a kill: from what it left."""
    with following(platform) as process:
        land(platform.data_dir, "inferences", DAY, [inference(DAY, 4)], name="more.jsonl")
        land(platform.data_dir, "feedback", DAY, [thumbs(DAY, 4)], name="more.jsonl")
        wait_for(lambda: "user-4" in shown(platform), "what came after it")
        assert process.poll() is None, log(platform)


def log(platform: Platform) -> str:
    return (platform.data_dir.parent / "follow.log").read_text()


def test_all_others_are_in_the_view_once(erased: Platform) -> None:
    rows = live(erased, "select feedback_id, user_id from attributed_feedback order by feedback_id")
    assert [row["feedback_id"] for row in rows] == [f"fb-{DAY}-{n}" for n in (3, 4, NAMESAKE)]


def test_nothing_of_the_person_is_left_in_what_the_follower_keeps(erased: Platform) -> None:
    assert files_with_the_person(erased) == []


def test_the_command_line_has_nothing_for_whoever_asks_for_the_person(
    erased: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert erased.command("live", "--request", f"req-{DAY}-{PERSON}") == 0
    assert capsys.readouterr().out.strip() == "[]"
