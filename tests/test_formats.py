"""What a version comes in beside Parquet, each format read by its own reader and compared with the planted rows."""

import json
import logging
import math
import struct
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import crc32c
import datasets
import duckdb
import mlcroissant
import pyarrow.parquet as pq
import pytest
import yaml
from tfrecord import example_pb2
from tfrecord.reader import tfrecord_iterator

from orchestration.formats import FORMATS, FormatError, data_files, tfrecord, write_formats
from orchestration.lib import companions
from orchestration.lib.recipe import Recipe, RecipeError, load_recipe
from tests.platform_under_test import Platform
from tests.traffic import land_honest_day

DAY = date(2024, 6, 1)
SECRET = "zanzibar"
ODD = f'{SECRET} é 漢字 🥐 \u2028 \u0000 "quoted" \\ \t\n</script> | end'

USER, ANSWER = {"role": "user", "content": ODD}, {"role": "assistant", "content": "fine"}
SYSTEM, TOOL = {"role": "system", "content": "be kind"}, {"role": "tool", "content": "42"}
BLANK = {"role": "user", "content": " \n"}

# messages, and why OpenAI would refuse them
MESSAGES: list[tuple[list[dict[str, Any] | None] | None, str | None]] = [
    ([USER, ANSWER], None),
    ([SYSTEM, USER, ANSWER, USER, ANSWER], None),
    ([{"role": "developer", "content": "x"}, USER, ANSWER], None),
    ([ANSWER], None),
    (None, "no_messages"),
    ([], "no_messages"),
    ([USER, TOOL, ANSWER], "tool_message"),
    ([{"role": "function", "content": "x"}, ANSWER], "unknown_role"),
    ([{"role": None, "content": "x"}, ANSWER], "unknown_role"),
    ([None, ANSWER], "unknown_role"),
    ([BLANK, ANSWER], "empty_content"),
    ([USER, {"role": "assistant", "content": None}], "empty_content"),
    ([USER], "last_message_not_assistant"),
    ([USER, ANSWER, USER], "last_message_not_assistant"),
]
# prompt, chosen, rejected, and why OpenAI would refuse them
WORSE = {"role": "assistant", "content": "worse"}
PREFERENCES: list[tuple[Any, Any, Any, str | None]] = [
    ([USER], [ANSWER], [WORSE], None),
    ([SYSTEM, USER, ANSWER, USER], [ANSWER], [WORSE], None),
    (None, [ANSWER], [WORSE], "no_prompt"),
    ([], [ANSWER], [WORSE], "no_prompt"),
    ([USER], None, [WORSE], "no_answer"),
    ([USER], [ANSWER], [], "no_answer"),
    ([USER, TOOL], [ANSWER], [WORSE], "tool_message"),
    ([USER], [ANSWER], [{"role": "critic", "content": "x"}], "unknown_role"),
    ([USER], [{"role": "assistant", "content": ""}], [WORSE], "empty_content"),
    ([USER], [ANSWER, ANSWER], [WORSE], "not_one_assistant_message"),
    ([USER], [ANSWER], [USER], "not_one_assistant_message"),
]
NUMBERS = [0.0, -1.5, math.nan, math.inf, 1e300, None, 1 / 3]
INTEGERS = [0, 1, -1, 127, 128, 2**63 - 1, -(2**63), None]
TYPES = {
    "feedback_id": "VARCHAR",
    "request_id": "VARCHAR",
    "feedback_type": "VARCHAR",
    "label": "VARCHAR",
    "comment": "VARCHAR",
    "messages": "STRUCT(role VARCHAR, content VARCHAR)[]",
    "prompt": "STRUCT(role VARCHAR, content VARCHAR)[]",
    "chosen": "STRUCT(role VARCHAR, content VARCHAR)[]",
    "rejected": "STRUCT(role VARCHAR, content VARCHAR)[]",
    "reward": "DOUBLE",
    "whole": "BIGINT",
    "exposed": "BOOLEAN",
    "tags": "VARCHAR[]",
    "scores": "DOUBLE[]",
    "counts": "BIGINT[]",
    "nested": "STRUCT(a BIGINT, b VARCHAR[])",
    "deep": "BIGINT[][]",
    "attributed_date": "DATE",
    "feedback_at": "TIMESTAMP WITH TIME ZONE",
}
ROWS = max(len(MESSAGES), len(PREFERENCES))


def planted(n: int) -> dict[str, Any]:
    preference = PREFERENCES[n % len(PREFERENCES)]
    return {
        "feedback_id": f"fb-{n:03d}",
        "request_id": f"req-{n}",
        "feedback_type": "thumbs" if n % 3 else "explicit_correction",
        "label": [SECRET, "yes", "yes", "yes", "yes", "yes"][n % 6] if n < 12 else None,
        "comment": [ODD, "", None][n % 3],
        "messages": MESSAGES[n % len(MESSAGES)][0],
        "prompt": preference[0],
        "chosen": preference[1],
        "rejected": preference[2],
        "reward": NUMBERS[n % len(NUMBERS)],
        "whole": INTEGERS[n % len(INTEGERS)],
        "exposed": [True, False, None][n % 3],
        "tags": [[], [ODD, ""], ["a", None, "b"], None][n % 4],
        "scores": [[0.5, -2.0], [], None][n % 3],
        "counts": [None, [1, -1, 300], []][n % 3],
        "nested": [{"a": 1, "b": ["x", None]}, None, {"a": None, "b": None}][n % 3],
        "deep": [[[1, 2], []], None][n % 2],
        "attributed_date": DAY,
        "feedback_at": datetime(2024, 6, 1, 10, 0, n, 123456, tzinfo=UTC) if n % 5 else None,
    }


RECIPE = Recipe(
    name="planted",
    description="Planted rows.",
    license="other",
    source="attributed_feedback",
    columns={column: f"What {column} means | or not." for column in TYPES},
    formats=tuple(FORMATS),
    limits=("It is planted.",),
)
MANIFEST: dict[str, Any] = {
    "name": "planted",
    "version": f"{DAY}-0123456789ab",
    "partition": str(DAY),
    "parent_version": None,
    "content_sha256": "0123456789ab",
    "rows": {"train": ROWS, "test": 3},
    "changes": {"added": ROWS + 3, "changed": 0, "removed": 0},
    "recipe": RECIPE.to_dict(),
    "schema_version": {"feedback": 2},
    "ledger_files": [{"path": f"ledger/feedback/received_date={DAY}/data.parquet", "bytes": 1, "schema_version": 2}],
    "gate": {"result": "passed", "reports": []},
}


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def write(folder: Path) -> dict[str, Any]:
    """A version as `publish` stages it: train in two files, test in one, then all that comes with them."""
    (folder / "data").mkdir(parents=True)
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    with connect() as connection:
        for split, part, of, rows in (
            ("train", 0, 2, range(0, 9)),
            ("train", 1, 2, range(9, ROWS)),
            ("test", 0, 1, range(3)),
        ):
            connection.execute(f"create or replace table rows ({columns})")
            marks = ", ".join("?" for _ in TYPES)
            for n in rows:
                connection.execute(f"insert into rows values ({marks})", list(planted(n).values()))
            connection.execute(f"copy rows to '{folder}/data/{split}-{part:05d}-of-{of:05d}.parquet' (format parquet)")
        return companions.write_companions(connection, folder, RECIPE, MANIFEST, TYPES)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats") / "version"
    manifest = write(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def told(version: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((version / "manifest.json").read_text())
    return manifest


def split_rows(split: str) -> Iterator[dict[str, Any]]:
    yield from (planted(n) for n in range(ROWS if split == "train" else 3))


def lines(path: Path) -> list[dict[str, Any]]:
    # By \n alone, as JSON lines are: a text may hold other line breaks.
    return [json.loads(line) for line in path.read_bytes().decode().split("\n") if line]


def counted(reasons: list[str | None]) -> dict[str, int]:
    return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons) if reason}


@pytest.mark.parametrize("split", ["train", "test"])
def test_openai_sft_has_the_conversations_that_end_with_an_answer(version: Path, split: str) -> None:
    fits = {n for n, (_, reason) in enumerate(MESSAGES) if reason is None}
    rows = list(split_rows(split))
    expected = [{"messages": row["messages"]} for n, row in enumerate(rows) if n % len(MESSAGES) in fits]
    assert lines(version / "openai" / f"{split}.jsonl") == expected


def test_openai_preference_has_one_answer_a_side(version: Path) -> None:
    expected = [
        {
            "input": {"messages": prompt, "tools": [], "parallel_tool_calls": True},
            "preferred_output": chosen,
            "non_preferred_output": rejected,
        }
        for prompt, chosen, rejected, reason in (PREFERENCES[n % len(PREFERENCES)] for n in range(ROWS))
        if reason is None
    ]
    assert lines(version / "openai_preference" / "train.jsonl") == expected


def test_what_does_not_fit_is_counted_under_its_reason(version: Path) -> None:
    formats = told(version)["formats"]
    numbers = [*range(ROWS), *range(3)]
    sft = [MESSAGES[n % len(MESSAGES)][1] for n in numbers]
    preference = [PREFERENCES[n % len(PREFERENCES)][3] for n in numbers]
    assert formats["openai_sft"]["left_out"] == counted(sft)
    assert formats["openai_preference"]["left_out"] == counted(preference)
    assert (formats["openai_sft"]["rows"], formats["openai_preference"]["rows"]) == (
        sft.count(None),
        preference.count(None),
    )
    assert formats["openai_sft"]["files"] == ["openai/train.jsonl", "openai/test.jsonl"]
    assert formats["tfrecord"] == {
        "files": [
            "tfrecord/train-00000-of-00002.tfrecord",
            "tfrecord/train-00001-of-00002.tfrecord",
            "tfrecord/test-00000-of-00001.tfrecord",
        ],
        "rows": ROWS + 3,
        "left_out": {},
    }


def test_a_split_in_which_nothing_fits_has_no_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with connect() as connection:
        connection.execute(
            f"copy (select null::{TYPES['messages']} as messages) to '{tmp_path}/data/train-00000-of-00001.parquet'"
        )
        formats = write_formats(connection, tmp_path, ["openai_sft"], {"messages": TYPES["messages"]})
    assert formats == {"openai_sft": {"files": [], "rows": 0, "left_out": {"no_messages": 1}}}
    assert not (tmp_path / "openai").exists()


def test_messages_of_another_type_are_refused_with_the_cure(tmp_path: Path) -> None:
    with connect() as connection, pytest.raises(FormatError, match=r"openai_sft: column 'messages' is VARCHAR.*leave"):
        write_formats(connection, tmp_path, ["openai_sft"], {"messages": "VARCHAR"})


def examples(path: Path) -> list[dict[str, list[Any]]]:
    """The records of a TFRecord file, parsed by Protocol Buffers, every checksum looked at."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        for part, crc_at in ((content[at : at + 8], at + 8), (content[at + 12 : at + 12 + length], at + 12 + length)):
            crc = crc32c.crc32c(part)
            masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack_from("<I", content, crc_at) == (masked,)
        at += 16 + length
    parsed = [example_pb2.Example.FromString(bytes(record)) for record in tfrecord_iterator(str(path))]
    return [
        {name: list(getattr(f, f.WhichOneof("kind")).value) for name, f in example.features.feature.items()}
        for example in parsed
    ]


def as_float32(number: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def as_feature(value: Any, kind: str) -> list[Any]:
    if kind.endswith("[][]") or "STRUCT" in kind:
        return [json.dumps(value, ensure_ascii=False, separators=(",", ":"))]
    if isinstance(value, list):
        return [part for x in value if x is not None for part in as_feature(x, kind.removesuffix("[]"))]
    if isinstance(value, float):
        return [as_float32(value)]
    if isinstance(value, datetime):
        return [int(value.timestamp()) * 1_000_000 + value.microsecond]
    return [value.isoformat() if isinstance(value, date) else int(value) if isinstance(value, bool) else value]


def comparable(values: list[Any], kind: str) -> list[Any]:
    texts = [v.decode() if isinstance(v, bytes) else v for v in values]
    if kind.endswith("[][]") or "STRUCT" in kind:
        return [json.loads(text) for text in texts]
    return ["nan" if isinstance(v, float) and math.isnan(v) else v for v in texts]


def test_tfrecord_holds_every_value(version: Path) -> None:
    read = [row for path in sorted((version / "tfrecord").glob("train-*")) for row in examples(path)]
    rows = list(split_rows("train"))
    assert len(read) == len(rows)
    for found, row in zip(read, rows, strict=True):
        assert set(found) == {column for column, value in row.items() if value is not None}
        for column, values in found.items():
            kind = TYPES[column]
            assert comparable(values, kind) == comparable(as_feature(row[column], kind), kind), column


# What tf.io.TFRecordWriter of TensorFlow 2.21.0 writes for the same examples.
BY_TENSORFLOW = {
    "select unnest([1, -1, 300])::bigint as n": (
        "0e00000000000000c5e5693f0a0c0a0a0a016e12051a030a01017d78cb501700000000000000e7cef81e0a150a130a016e120e1a0c0a0a"
        "ffffffffffffffffff016c9c996d0f000000000000006d532b090a0d0a0b0a016e12061a040a02ac02c9090685"
    ),
    "select 0.5::double as x": "11000000000000009d6db52e0a0f0a0d0a0178120812060a040000003f7beb4d2f",
    "select 'é' as t": "0f000000000000006d532b090a0d0a0b0a017412060a040a02c3a94c52e338",
}


@pytest.mark.parametrize("query", BY_TENSORFLOW)
def test_tfrecord_has_the_bytes_that_tensorflow_writes(tmp_path: Path, query: str) -> None:
    (tmp_path / "data").mkdir()
    with connect() as connection:
        connection.execute(f"copy ({query}) to '{tmp_path}/data/train-00000-of-00001.parquet'")
        types = {row[0]: row[1] for row in connection.execute(f"describe {query}").fetchall()}
        (file,) = tfrecord.FORMAT.write(connection, data_files(tmp_path), types, tmp_path).files
    assert file.read_bytes().hex() == BY_TENSORFLOW[query]


def test_tfrecord_is_the_same_in_small_batches(version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord, "BATCH_ROWS", 2)
    with connect() as connection:
        written = tfrecord.FORMAT.write(connection, data_files(version), TYPES, tmp_path)
    for path in written.files:
        assert path.read_bytes() == (version / "tfrecord" / path.name).read_bytes()


def test_croissant_is_valid_and_gives_the_rows(version: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = mlcroissant.Dataset(str(version / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    # A version here is named by its content.
    assert all("MAJOR.MINOR.PATCH" in str(warning) for warning in issues.warnings)
    records = {row["default/feedback_id"].decode() + row["default/split"].decode(): row for row in flat(dataset)}
    assert len(records) == ROWS + 3
    for split in ("train", "test"):
        for row in split_rows(split):
            record = records[row["feedback_id"] + split]
            assert record["default/comment"] == (None if row["comment"] is None else row["comment"].encode())
            assert record["default/whole"] == row["whole"] or row["whole"] in (2**63 - 1,)
            if row["messages"] and None not in row["messages"]:
                assert [
                    {key.rsplit("/", 1)[1]: None if text is None else text.decode() for key, text in message.items()}
                    for message in record["default/messages"]
                ] == row["messages"]
    assert "Could not match" not in caplog.text


def flat(dataset: Any) -> list[dict[str, Any]]:
    """Records of the columns that mlcroissant can read: it does not go deeper than a list of structs."""
    return list(dataset.records("default"))


def test_croissant_lists_the_files_with_their_checksums(version: Path) -> None:
    content = json.loads((version / "croissant.json").read_text())
    parquet = {file["path"]: file for file in told(version)["files"] if file["path"].startswith("data/")}
    objects = {o["contentUrl"]: o for o in content["distribution"] if o["@type"] == "cr:FileObject"}
    assert {path: o["sha256"] for path, o in objects.items()} == {path: f["sha256"] for path, f in parquet.items()}
    assert {path: o["contentSize"] for path, o in objects.items()} == {p: f"{f['bytes']} B" for p, f in parquet.items()}
    assert content["rai:dataLimitations"][0] == "It is planted."
    assert [row["splits/name"] for row in content["recordSet"][0]["data"]] == ["train", "test"]


def test_datasets_finds_features_and_splits_without_a_warning(
    version: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        loaded = datasets.load_dataset(str(version), cache_dir=str(tmp_path))
    assert not caplog.records
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": ROWS, "test": 3}
    message = datasets.List({"role": datasets.Value("string"), "content": datasets.Value("string")})
    features = loaded["train"].features
    assert features["messages"] == features["prompt"] == message
    assert features["deep"] == datasets.List(datasets.List(datasets.Value("int64")))
    assert features["nested"] == {"a": datasets.Value("int64"), "b": datasets.List(datasets.Value("string"))}
    assert features["feedback_at"] == datasets.Value("timestamp[us, tz=UTC]")
    assert features["attributed_date"] == datasets.Value("date32")
    # What the card says is what Parquet holds by itself.
    own = datasets.Features.from_arrow_schema(pq.read_schema(version / "data" / "test-00000-of-00001.parquet"))
    assert features == own
    assert [row["messages"] for row in loaded["train"]][:3] == [planted(n)["messages"] for n in range(3)]


def card(version: Path) -> str:
    return (version / "README.md").read_text(encoding="utf-8")


def test_the_card_counts_and_shows_nothing_that_a_user_wrote(version: Path) -> None:
    text = card(version)
    assert "| thumbs | 9 | 2 |" in text
    assert "It is planted." in text
    assert (
        f"`openai_sft` has {told(version)['formats']['openai_sft']['rows']} rows; left out of it: no_messages" in text
    )
    assert "`comment`, `messages`" in text
    for section in ("Rows", "Columns", "Distributions", "Loading", "Known limits", "Licence", "Provenance"):
        assert f"## {section}\n" in text
    assert SECRET not in text  # not even as a label: fewer than five rows have it
    assert "| yes |" in text and "| (others) |" in text
    assert not any(SECRET in path.read_text() for path in (version / "plots").iterdir())


def test_the_cards_quartiles_are_those_of_the_rows(version: Path) -> None:
    finite = sorted(
        row["reward"]
        for split in ("train", "test")
        for row in split_rows(split)
        if row["reward"] is not None and math.isfinite(row["reward"])
    )
    (line,) = [
        line for line in card(version).splitlines() if line.startswith("| `reward` | ") and "float64" not in line
    ]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == str(ROWS + 3 - len(finite))
    assert float(cells[2].replace(",", "")) == finite[0]
    assert float(cells[6].replace(",", "")) == pytest.approx(finite[-1], rel=1e-3)


def test_every_file_is_in_the_manifest(version: Path) -> None:
    there = {p.relative_to(version).as_posix() for p in version.rglob("*") if p.is_file()} - {"manifest.json"}
    assert {file["path"] for file in told(version)["files"]} == there
    assert {"README.md", "croissant.json", "plots/classes.svg", "plots/rows_by_time.svg"} <= there


def test_the_same_rows_make_the_same_bytes(version: Path, tmp_path: Path) -> None:
    assert write(tmp_path / "again")["files"] == told(version)["files"]


def test_a_split_without_rows_has_a_card_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    columns = ", ".join(f"null::{kind} as {name}" for name, kind in TYPES.items())
    with connect() as connection:
        connection.execute(
            f"copy (select {columns} where false) to '{tmp_path}/data/train-00000-of-00001.parquet' (format parquet)"
        )
        manifest = {**MANIFEST, "rows": {"train": 0}}
        formats = companions.write_companions(connection, tmp_path, RECIPE, manifest, TYPES)["formats"]
    assert [told["rows"] for told in formats.values()] == [0, 0, 0]
    assert examples(tmp_path / "tfrecord" / "train-00000-of-00001.tfrecord") == []
    assert "| rows | 0 |" in card(tmp_path)
    assert list((tmp_path / "plots").iterdir()) == []


def test_a_label_may_be_true_or_false_and_empty_columns_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    query = "select i > 3 as label, null::varchar as comment, null::double as reward from range(10) as r(i)"
    with connect() as connection:
        connection.execute(f"copy ({query}) to '{tmp_path}/data/train-00000-of-00001.parquet'")
        types = {row[0]: row[1] for row in connection.execute(f"describe {query}").fetchall()}
        recipe = replace(RECIPE, formats=(), columns=dict.fromkeys(types, "m"))
        companions.write_companions(connection, tmp_path, recipe, {**MANIFEST, "rows": {"train": 10}}, types)
    assert "| label | train |\n|---|---:|\n| true | 6 |\n| false | 4 |" in card(tmp_path)
    assert "No row has a value in `comment`, `reward`." in card(tmp_path)


HEAD = "name: planted\ndescription: d\nlicense: other\nsource: attributed_feedback\n"
TRACED = "columns: {feedback_id: a, request_id: b, attributed_date: c}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "formats: [csv]",
            "planted.yml: formats: 'csv' is unknown; write some of openai_sft, openai_preference, tfrec",
        ),
        ("formats: [{a: 1}]", "planted.yml: formats: {'a': 1} is unknown"),
        ("formats: [openai_sft]", "planted.yml: formats: openai_sft needs column 'messages'; add it to columns"),
        ("formats: [openai_preference]", "needs column 'prompt'"),
        ("formats: tfrecord", "planted.yml: field 'formats' must be a list"),
        ("limits: [1]", "planted.yml: limits must be sentences, not 1; put it in quotes"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_cure(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "planted.yml").write_text(f"{HEAD}{TRACED}{line}\n")
    with pytest.raises(RecipeError) as refused:
        load_recipe(tmp_path / "planted.yml")
    assert said in str(refused.value)


def test_a_format_that_is_not_installed_is_refused_when_its_recipe_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfrecord, "find_spec", lambda name: None)
    (tmp_path / "planted.yml").write_text(f"{HEAD}{TRACED}formats: [tfrecord]\n")
    with pytest.raises(RecipeError, match=r"tfrecord is not installed; .*feedback-attribution\[tfrecord\]"):
        load_recipe(tmp_path / "planted.yml")


PUBLISHED = """
name: judged
description: Judged answers.
license: other
source: attributed_feedback
formats: [openai_sft, openai_preference, tfrecord]
limits: [One day of one small test.]
split: {by: request_id, shares: {train: 0.5, test: 0.5}}
columns:
  feedback_id: a
  request_id: b
  feedback_type: c
  reward: d
  attributed_date: e
  messages:
    {meaning: f, value: "[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': output_text}]"}
  prompt: {meaning: g, value: "[{'role': 'user', 'content': 'q'}]"}
  chosen: {meaning: h, value: "[{'role': 'assistant', 'content': output_text}]"}
  rejected: {meaning: i, value: "[{'role': 'assistant', 'content': 'no'}]"}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Driven as a user does: a file in the recipes' folder, and `attribution run`."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "recipes").mkdir()
    (folder / "recipes" / "judged.yml").write_text(PUBLISHED)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEEDBACK_RECIPES", str(folder / "recipes"))
        platform = Platform(folder / "data")
        land_honest_day(platform.data_dir, DAY)
        assert platform.run(DAY, DAY) == 0
        yield platform


def published(platform: Platform) -> Path:
    folder = platform.data_dir / "datasets" / "judged"
    version: str = json.loads((folder / "latest.json").read_text())["version"]
    return folder / version


def test_a_published_version_has_them_all(platform: Platform, tmp_path: Path) -> None:
    version = published(platform)
    test_every_file_is_in_the_manifest(version)
    loaded = datasets.load_dataset(str(version), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "test"} and sum(rows.num_rows for rows in loaded.values()) == 20
    for split, rows in loaded.items():
        (parquet,) = (version / "data").glob(f"{split}-*")
        assert rows.to_list() == pq.read_table(parquet).to_pylist()
        ids = rows["feedback_id"]
        (records,) = (version / "tfrecord").glob(f"{split}-*")
        assert [row["feedback_id"] for row in examples(records)] == [[i.encode()] for i in ids]
        assert [line["messages"] for line in lines(version / "openai" / f"{split}.jsonl")] == list(rows["messages"])
        preferences = lines(version / "openai_preference" / f"{split}.jsonl")
        assert [line["preferred_output"] for line in preferences] == list(rows["chosen"])
    read = {
        (row["default/split"].decode(), row["default/feedback_id"].decode())
        for row in mlcroissant.Dataset(str(version / "croissant.json")).records("default")
    }
    assert read == {(split, i) for split, rows in loaded.items() for i in rows["feedback_id"]}
    header = yaml.safe_load(card(version).split("---")[1])
    counts = {split["name"]: split["num_examples"] for split in header["dataset_info"]["splits"]}
    assert counts == {split: rows.num_rows for split, rows in loaded.items()}


def test_only_parquet_is_read_as_a_versions_rows(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.command("status", "--feedback", f"fb-{DAY}-3") == 0
    held = json.loads(capsys.readouterr().out)["datasets"]
    assert [dataset["version"] for dataset in held] == [published(platform).name]
