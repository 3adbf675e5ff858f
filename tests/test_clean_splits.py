"""Ten days of growth by the command line: no group and no near pair across splits, no row moved, no evaluation in it.

The failures that this prevents: a test question that was trained on in almost the same words, a row that changes its
split or goes because of a later one, and an evaluation that leaked without anybody being told.
"""

import contextlib
import gzip
import io
import json
import random
import shutil
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.catalog import Catalog
from orchestration.lib.recipe import RecipeError, load_recipe
from orchestration.lib.settings import REPOSITORY, Settings
from tests.platform_under_test import Platform
from tests.test_similarity import jaccard, shingles
from tests.traffic import land

DAYS = [date(2024, 7, 1) + timedelta(n) for n in range(10)]
COLUMNS = """
columns:
  prompt: What was asked.
  completion: What was answered.
  split_group: {value: source.session_id, meaning: Its group.}
  feedback_id: Its feedback.
  request_id: Its request.
  attributed_date: Its partition.
"""
# Each with what it shows; over answers that were judged, of sessions.
RECIPES = {
    "together": "near_duplicates: {of: [prompt, completion], keep: together}",
    "first": "near_duplicates: {of: prompt, similarity: 0.7, shingle: 2}",
    "held": "held_out: {files: ['evals/*.jsonl.gz', evals/bench.parquet], of: question, against: prompt}",
    "failing": "held_out: {files: evals/later.jsonl, of: messages, against: prompt, action: fail}",
    "plain": "most_per: {user_id: 1000}",
}
HELD_OUT = "which of the seven bridges of the old town did nobody cross twice on the first day of the year"
LATER = "what is the shortest way from the harbour to the castle when the lower gate is closed for the fair"


def recipe(name: str, lines: str) -> str:
    return f"""
name: {name}
description: Judged answers.
license: other
source: reward_examples
split: {{by: session_id, shares: {{train: 0.6, validation: 0.2, test: 0.2}}}}
{COLUMNS}
{lines}
"""


def changed(draw: random.Random, text: str, words: int) -> str:
    of = text.split()
    for place in draw.sample(range(len(of)), words):
        of[place] = f"x{draw.randrange(10_000)}"
    return " ".join(of)


def questions(day: int) -> list[str]:
    """New ones, and ones of this day or an earlier one with 0 to 6 of their 30 words changed."""
    draw = random.Random(day)
    asked = [q for earlier in range(day) for q in questions(earlier)] if day else []
    asked = asked[-60:]
    for _ in range(24):
        if asked and draw.random() < 0.7:
            asked.append(changed(draw, draw.choice(asked), draw.choice((0, 1, 1, 2, 3, 6))))
        else:
            asked.append(" ".join(f"w{draw.randrange(4000)}" for _ in range(30)))
    return asked[-24:]


def events(day: int) -> tuple[list[str], list[str]]:
    draw = random.Random(1000 + day)
    asked = questions(day)
    if day == 2:
        asked += [HELD_OUT, HELD_OUT.title() + ", then?", "a question that nobody held out"]
    if day == 8:
        asked += [LATER.upper() + "?"]
    inferences, feedback = [], []
    for n, question in enumerate(asked):
        request = f"r{day}-{n}"
        session = f"s{draw.randrange(60)}"
        inferences.append(
            {"request_id": request, "timestamp": f"{DAYS[day]}T08:00:{n % 60:02d}Z", "model_version": "v1",
             "session_id": session, "input": {"prompt": question, "system_prompt": "Answer. " * 50},
             "output": {"text": f"answer {question.split()[0]}"}, "user_id": f"u{n}"}
        )  # fmt: skip
        feedback.append(
            {"feedback_id": f"f{day}-{n}", "request_id": request, "timestamp": f"{DAYS[day]}T09:{n % 60:02d}:00Z",
             "thumbs": "up" if n % 2 else "down", "user_id": f"u{n}"}
        )  # fmt: skip
    return [json.dumps(one) for one in inferences], [json.dumps(one) for one in feedback]


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    for name, lines in RECIPES.items():
        (folder / f"{name}.yml").write_text(recipe(name, lines), encoding="utf-8")
    evals = folder / "evals"
    evals.mkdir()
    with gzip.open(evals / "questions.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"question": HELD_OUT, "answer": "none"}) + "\n" + json.dumps({"question": None}) + "\n")
    duckdb.execute(f"copy (select 'nobody asks this' as question, 1 as n) to '{evals / 'bench.parquet'}'")
    message = {"messages": [{"role": "system", "content": "Answer. " * 50}, {"role": "user", "content": LATER}]}
    (evals / "later.jsonl").write_text(json.dumps(message) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, recipes: Path) -> Iterator[Platform]:
    grown = Platform(tmp_path_factory.mktemp("clean_splits"))
    for day in range(len(DAYS)):
        inferences, feedback = events(day)
        land(grown.data_dir, "inferences", DAYS[day], inferences)
        land(grown.data_dir, "feedback", DAYS[day], feedback)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEEDBACK_RECIPES", str(recipes))
        assert grown.run(DAYS[0], DAYS[5]) == 0
        with contextlib.redirect_stderr(io.StringIO()) as told:
            assert grown.run(DAYS[6], DAYS[9]) == 1, "what was held out is in the data of the ninth day"
        (grown.data_dir / "told.txt").write_text(told.getvalue(), encoding="utf-8")
        yield grown


def catalog(platform: Platform, name: str) -> Catalog:
    return Catalog(Settings.from_env({"FEEDBACK_DATA_DIR": str(platform.data_dir)}), name)


def versions(platform: Platform, name: str) -> dict[date, dict[str, dict[str, Any]]]:
    """Each day's rows by request, with the split that they are in."""
    found = {}
    for day, record in catalog(platform, name).partitions().items():
        folder = platform.data_dir / "datasets" / name / str(record.version) / "data"
        rows = duckdb.execute(f"select *, parse_filename(filename) as file from read_parquet('{folder}/*.parquet')")
        names = [column[0] for column in rows.description]
        told = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        found[day] = {row["request_id"]: row | {"split": row["file"].split("-")[0]} for row in told}
    return found


def words_of(row: Mapping[str, Any], *columns: str, size: int) -> frozenset[tuple[str, ...]]:
    said = [m["content"] for column in columns for m in row[column] if m["role"] != "system"]
    return shingles("\n".join(said).lower(), size)


@pytest.mark.parametrize("name", ["together", "first"])
def test_ten_days_of_growth_move_no_row_and_put_no_group_in_two_splits(platform: Platform, name: str) -> None:
    split_of: dict[str, str] = {}
    split_of_group: dict[str, str] = {}
    before: set[str] = set()
    for rows in versions(platform, name).values():
        assert before <= set(rows), "what was there stays"
        for request, row in rows.items():
            assert split_of.setdefault(request, row["split"]) == row["split"]
            assert split_of_group.setdefault(row["split_group"], row["split"]) == row["split"]
        before = set(rows)
    assert set(split_of.values()) == {"train", "validation", "test"}
    assert len(versions(platform, name)) == len(DAYS)


def test_no_near_pair_is_in_two_splits_and_those_of_one_stay(platform: Platform) -> None:
    rows = list(versions(platform, "together")[DAYS[-1]].values())
    near_within = 0
    sets = [words_of(row, "prompt", "completion", size=3) for row in rows]
    for n, one in enumerate(rows):
        for m in range(n):
            if jaccard(sets[n], sets[m]) >= 0.8:
                assert one["split"] == rows[m]["split"], (one["request_id"], rows[m]["request_id"])
                near_within += 1
    assert near_within > 3
    told = catalog(platform, "together").manifest(str(catalog(platform, "together").latest()["version"]))  # type: ignore[index]
    everything = versions(platform, "plain")[DAYS[-1]]
    assert told["left_out"] == {"near_duplicates": len(everything) - len(rows)} and len(rows) < len(everything)


def test_of_near_duplicates_the_first_is_kept(platform: Platform) -> None:
    """As an oracle has it that takes the rows in their order and compares each with all that it kept."""
    everything = sorted(
        versions(platform, "plain")[DAYS[-1]].values(), key=lambda row: (row["attributed_date"], row["request_id"])
    )
    kept: list[frozenset[tuple[str, ...]]] = []
    expected = set()
    for row in everything:
        own = words_of(row, "prompt", size=2)
        if all(jaccard(own, other) < 0.7 for other in kept):
            kept.append(own)
            expected.add(row["request_id"])
    assert set(versions(platform, "first")[DAYS[-1]]) == expected
    assert len(expected) < 0.8 * len(everything)


def test_rows_near_a_held_out_text_are_left_out_and_counted_by_file(platform: Platform) -> None:
    catalogued = catalog(platform, "held")
    manifest = catalogued.manifest(str(catalogued.partitions()[DAYS[2]].version))
    assert manifest["left_out"] == {"held_out": {"evals/bench.parquet": 0, "evals/questions.jsonl.gz": 2}}
    assert set(manifest["held_out_files"]) == {"evals/bench.parquet", "evals/questions.jsonl.gz"}
    everything, rows = versions(platform, "plain")[DAYS[2]], versions(platform, "held")[DAYS[2]]
    assert everything.keys() - rows.keys() == {"r2-24", "r2-25"} and "r2-26" in rows
    card = (platform.data_dir / "datasets" / "held" / manifest["version"] / "README.md").read_text(encoding="utf-8")
    assert "- Near a held-out text of `evals/questions.jsonl.gz`: 2 rows left out." in card
    assert "bridges" not in card


def test_a_recipe_may_fail_its_gate_instead(platform: Platform) -> None:
    records = catalog(platform, "failing").partitions()
    assert records[DAYS[7]].gate == "passed" and records[DAYS[8]].gate == "failed" and DAYS[9] not in records
    told = (platform.data_dir / "told.txt").read_text(encoding="utf-8")
    assert "no row is near a held-out text (found 1 near evals/later.jsonl" in told
    assert "castle" not in told.lower()


def test_any_version_can_be_checked_against_any_file(
    platform: Platform, recipes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = str(catalog(platform, "plain").latest()["version"])  # type: ignore[index]
    check = ("datasets", "contamination", "plain", version, "--against")
    assert platform.command(*check, str(recipes / "evals" / "questions.jsonl.gz"), "--of", "question") == 1
    told = capsys.readouterr().out
    assert "r2-24" in told and "r2-25" in told and "r2-26" not in told and "bridges" not in told
    assert platform.command(*check, str(recipes / "evals" / "bench.parquet"), "--of", "question") == 0
    held = str(catalog(platform, "held").latest()["version"])  # type: ignore[index]
    clean = ("datasets", "contamination", "held", held, "--against", str(recipes / "evals" / "questions.jsonl.gz"))
    assert platform.command(*clean, "--of", "question") == 0
    later = str(recipes / "evals" / "later.jsonl")
    assert platform.command(*check, later, "--column", "prompt") == 1, "chat messages, the only column of the file"
    capsys.readouterr()
    for wrong, cure in (
        ((str(recipes / "none.jsonl"),), "there is no file"),
        ((str(recipes / "evals" / "questions.jsonl.gz"),), "say which column has the texts; the file has answer"),
        ((later, "--column", "reward"), "there is no column 'reward'; the version has prompt"),
        ((later, "--column", "attributed_date"), "column 'attributed_date' is of type DATE, and holds neither"),
    ):
        assert platform.command(*check, *wrong) == 1
        assert cure in capsys.readouterr().err


def test_a_version_is_made_again_unless_the_held_out_file_is_another(
    platform: Platform, recipes: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    version = str(catalog(platform, "held").partitions()[DAYS[2]].version)
    assert platform.command("datasets", "rebuild", "held", version) == 0
    bench = recipes / "evals" / "bench.parquet"
    shutil.copy2(bench, recipes / "away")
    duckdb.execute(f"copy (select 'another' as question, 2 as n) to '{bench}'")
    try:
        assert platform.command("datasets", "rebuild", "held", version) == 1
    finally:
        shutil.copy2(recipes / "away", bench)
    assert "held-out file evals/bench.parquet is another than then" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("near_duplicates: {similarity: 0.8}", "near_duplicates must say `of`"),
        ("near_duplicates: {of: question}", "near_duplicates.of: 'question' is none of columns; write one, or add"),
        ("near_duplicates: {of: prompt, keep: last}", "near_duplicates.keep is 'last'; write first, or together"),
        ("near_duplicates: {of: prompt, similarity: 80}", "near_duplicates.similarity is 80; write a share from 0.3"),
        ("near_duplicates: {of: prompt, shingle: 0}", "near_duplicates.shingle is 0; write how many words"),
        ("near_duplicates: {of: []}", "near_duplicates.of is []; write a column, or a list of columns"),
        ("held_out: {files: evals/x.jsonl, of: q}", "held_out must say `files`, `of`"),
        ("held_out: {files: evals/x.jsonl, of: q, against: prompt}", "there is no file evals/x.jsonl"),
        ("held_out: {files: ../x.jsonl, of: q, against: prompt}", "'../x.jsonl' is not below the recipes"),
        ("held_out: {files: evals/later.jsonl, of: q, against: asked}", "held_out.against: 'asked' is none of columns"),
        ("held_out: {files: x.jsonl, of: q, against: prompt, action: warn}", "held_out.action is 'warn'; write leave"),
    ],
)
def test_a_wrong_field_is_refused_with_its_cure(recipes: Path, tmp_path: Path, line: str, told: str) -> None:
    shutil.copytree(recipes / "evals", tmp_path / "evals")
    (tmp_path / "plain.yml").write_text(recipe("plain", line), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"plain\.yml") as refused:
        load_recipe(tmp_path / "plain.yml")
    assert told in str(refused.value)


def test_what_is_kept_together_needs_splits(tmp_path: Path) -> None:
    text = recipe("plain", RECIPES["together"])
    without = "\n".join(line for line in text.splitlines() if not line.startswith("split:"))
    (tmp_path / "plain.yml").write_text(without, encoding="utf-8")
    with pytest.raises(RecipeError, match="together is about splits; add split, or write first"):
        load_recipe(tmp_path / "plain.yml")


@pytest.mark.parametrize("name", ["sft", "preference"])
def test_the_shipped_recipes_keep_near_duplicates_together(name: str) -> None:
    near = load_recipe(REPOSITORY / "recipes" / f"{name}.yml").near_duplicates
    assert near and near.keep == "together"
