"""The dataset card: what a person, and `datasets.load_dataset`, read first in a version's folder."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from duckdb.sqltypes import DuckDBPyType

from orchestration.formats.column_types import hugging_face, short
from orchestration.lib.card_statistics import Distribution, Statistics
from orchestration.lib.known_limits import known_limits
from orchestration.lib.label_noise import card_section
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.held_out import LEAVE_OUT
from orchestration.lib.recipe.near_duplicates import TOGETHER
from orchestration.lib.recipe.privacy import PROMISES

_SIZES = {
    1_000: "n<1K",
    10_000: "1K<n<10K",
    100_000: "10K<n<100K",
    1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M",
    100_000_000: "10M<n<100M",
    1_000_000_000: "100M<n<1B",
    10_000_000_000: "1B<n<10B",
}
# Longer numbers are told by their power of ten.
_LONG = 1e15
_NUMERIC = re.compile(r"–|-?[0-9][0-9,.]*(e[+-][0-9]+)?")


def dataset_card(
    recipe: Recipe, manifest: Mapping[str, Any], types: Mapping[str, DuckDBPyType], found: Statistics
) -> str:
    """README.md of a version: YAML that finds the splits and their features, then what the rows are."""
    parts = [
        ["---", yaml.safe_dump(_header(recipe, manifest, types), sort_keys=False, allow_unicode=True).strip(), "---"],
        [f"# {recipe.name}, version {manifest['version']}", "", recipe.description, "", _state(manifest)],
        _rows(found),
        _left_out(manifest),
        _sampling(manifest),
        ["## Columns", "", *_table(("column", "type", "meaning"), _columns(recipe, types))],
        _distributions(found),
        card_section(manifest, table=_table),
        ["## Loading", "", *_loading(types, manifest)],
        ["## Known limits", "", *(f"- {s}" for s in known_limits(recipe, manifest, types, found.rows))],
        ["## Licence", "", _licence(recipe.license)],
        ["## Privacy", "", f"Class `{recipe.privacy}`. {PROMISES[recipe.privacy]}"],
        ["## Provenance", "", *_provenance(manifest)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _header(recipe: Recipe, manifest: Mapping[str, Any], types: Mapping[str, DuckDBPyType]) -> dict[str, Any]:
    total = sum(manifest["rows"].values())
    return {
        "license": recipe.license,
        "pretty_name": f"{recipe.name} {manifest['version']}",
        "size_categories": [next(name for most, name in _SIZES.items() if total < most)],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": s, "path": f"data/{s}-*.parquet"} for s in manifest["rows"]],
            }
        ],
        "dataset_info": {
            "features": [hugging_face(column, kind) for column, kind in types.items()],
            "splits": [
                {
                    "name": split,
                    "num_examples": rows,
                    "num_bytes": sum(f["bytes"] for f in manifest["files"] if f["path"].startswith(f"data/{split}-")),
                }
                for split, rows in manifest["rows"].items()
            ],
        },
    }


def _state(manifest: Mapping[str, Any]) -> str:
    changes = manifest["changes"]
    return (
        f"State as of the end of {manifest['partition']} (received date, UTC). Parent version: "
        f"{manifest['parent_version'] or 'none'}; against it {changes['added']:,} rows were added, "
        f"{changes['changed']:,} changed and {changes['removed']:,} removed."
    )


def _rows(found: Statistics) -> list[str]:
    splits = list(found.rows)
    lines = ["## Rows", "", *_table(("", *splits), [("rows", *found.rows.values())])]
    for column, values in found.classes.items():
        counts = [(value, *(by.get(split, 0) for split in splits)) for value, by in values.items()]
        lines += ["", *_table((column.replace("_", " "), *splits), counts)]
    plots = [name for name in ("classes", "rows_by_time") if _plot_values(found, name)]
    return [*lines, *(line for name in plots for line in ("", f"![{name.replace('_', ' ')}](plots/{name}.svg)"))]


def _left_out(manifest: Mapping[str, Any]) -> list[str]:
    """How many rows were left out for which reason, where the recipe compares rows."""
    told = manifest.get("left_out")
    if told is None:
        return []
    lines = ["## Left out", ""]
    if (near := manifest["recipe"].get("near_duplicates")) is not None:
        columns = ", ".join(f"`{column}`" for column in near["of"])
        alike = f"share {near['similarity']:.0%} of their runs of {near['shingle']} words with an earlier row"
        where = " of another split" if near["keep"] == TOGETHER else ""
        lines.append(f"- Near-duplicates: {told['near_duplicates']:,} rows, whose {columns} {alike}{where}.")
    verb = "left out" if manifest["recipe"].get("held_out", {}).get("action") == LEAVE_OUT else "found"
    for file, rows in told.get("held_out", {}).items():
        lines.append(f"- Near a held-out text of `{file}`: {rows:,} rows {verb}.")
    return lines


def plots(found: Statistics) -> dict[str, tuple[str, list[tuple[str, int]]]]:
    """Name to title and bars of what is drawn; a plot without a bar is none."""
    titles = {"classes": f"rows by {next(iter(found.classes), '')}", "rows_by_time": "rows by attributed date"}
    return {
        name: (title.replace("_", " "), values)
        for name, title in titles.items()
        if (values := _plot_values(found, name))
    }


def _plot_values(found: Statistics, name: str) -> list[tuple[str, int]]:
    if name == "rows_by_time":
        return list(found.rows_by_time.items())
    first = next(iter(found.classes.values()), {})
    return [(value, sum(by.values())) for value, by in first.items()]


def _sampling(manifest: Mapping[str, Any]) -> list[str]:
    """How many rows each stage let through, and how many the weighted ones are worth."""
    stages, weights = manifest.get("sampling"), manifest.get("weights")
    lines = []
    if stages:
        asked = {**manifest["recipe"], **{f"sample.{k}": v for k, v in manifest["recipe"].get("sample", {}).items()}}
        rows = [
            (f"`{one['stage']}`", json.dumps(asked[one["stage"]]), one["rows_in"], one["rows_out"]) for one in stages
        ]
        lines += ["", *_table(("stage", "asked for", "rows in", "rows out"), rows)]
    if weights and weights["effective_rows"] is not None:
        effective = (
            f"By `sample_weight` the {weights['weighted_rows']:,} rows are worth {weights['effective_rows']:,.1f}"
        )
        clipped = f" {weights['clipped_rows']:,} weights are clipped." if "clipped_rows" in weights else ""
        without = weights.get("rows_without_propensity", 0)
        lacking = f" {without:,} rows have no propensity, and a factor of 1." if without else ""
        lines += ["", f"{effective} of equal weight, (Σw)²/Σw².{clipped}{lacking}"]
    return ["## Sampling and weights", *lines] if lines else []


def _licence(name: str) -> str:
    return "None is stated: ask who publishes it here." if name == "other" else f"{name}."


def _columns(recipe: Recipe, types: Mapping[str, DuckDBPyType]) -> list[tuple[str, ...]]:
    return [(f"`{c}`", short(kind), recipe.columns.get(c, "")) for c, kind in types.items()]


def _distributions(found: Statistics) -> list[str]:
    """Numbers, lengths, times, categories and ids, as tables; nothing that somebody wrote."""
    quartiles = ("missing", "min", "25 %", "median", "75 %", "max")
    lines = ["## Distributions"]
    if found.numbers:
        lines += ["", *_table(("number", *quartiles), [(f"`{d.column}`", *_spread(d)) for d in found.numbers])]
    if found.lengths:
        rows = [(f"`{d.column}`", d.what, *_spread(d)) for d in found.lengths]
        lines += ["", *_table(("text or list", "counted", *quartiles), rows)]
    if found.values:
        cells = [
            (f"`{column}`", ", ".join(f"{value} {rows / found.total:.1%}" for value, rows in values.items()))
            for column, values in found.values.items()
            if found.total
        ]
        lines += ["", *_table(("category", "commonest values"), cells)]
    if found.ranges:
        rows_of_times = [(f"`{column}`", missing, low, high) for column, (low, high, missing) in found.ranges.items()]
        lines += ["", *_table(("time", "missing", "first", "last"), rows_of_times)]
    if found.distinct:
        lines += ["", *_table(("id", "different ones"), [(f"`{c}`", n) for c, n in found.distinct.items()])]
    if found.empty and found.total:
        lines += ["", f"No row has a value in {', '.join(f'`{column}`' for column in found.empty)}."]
    return lines if len(lines) > 1 else []


def _spread(d: Distribution) -> tuple[Any, ...]:
    return (d.missing, *(_number(x) for x in (d.low, *(d.quartiles or (None, None, None)), d.high)))


def _number(x: float | None) -> str:
    if x is None:
        return "–"
    return f"{x:,.0f}" if float(x).is_integer() and abs(x) < _LONG else f"{x:.4g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Numbers stand right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else _cell(str(cell)) for cell in row] for row in rows]
    body = [list(row) for row in zip(*cells, strict=True)] or [[] for _ in head]
    right = [bool(column) and all(_NUMERIC.fullmatch(c) for c in column) for column in body]
    return [
        f"| {' | '.join(_cell(name) for name in head)} |",
        f"|{'|'.join('---:' if is_right else '---' for is_right in right)}|",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]


def _cell(text: str) -> str:
    """A text that can not break its table, nor become a link or a tag."""
    for sign in ("\\", "|", "<", "["):
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())


def _loading(types: Mapping[str, DuckDBPyType], manifest: Mapping[str, Any]) -> list[str]:
    split = next(iter(manifest["rows"]))
    code = ["from datasets import load_dataset", "", 'rows = load_dataset("path/to/this/folder")']
    if "messages" in types:
        code += ["", "from trl import SFTTrainer  # takes `messages`", ""]
        code += [f'SFTTrainer(model="…", train_dataset=rows["{split}"].select_columns(["messages"]))']
    if {"prompt", "chosen", "rejected"} <= set(types):
        code += ["", "from trl import DPOTrainer  # takes `prompt`, `chosen` and `rejected`", ""]
        columns = '["prompt", "chosen", "rejected"]'
        code += [f'DPOTrainer(model="…", train_dataset=rows["{split}"].select_columns({columns}))']
    if {"prompt", "completion", "label"} <= set(types):
        code += ["", "from trl import KTOTrainer  # takes `prompt`, `completion` and `label`", ""]
        columns = '["prompt", "completion", "label"]'
        code += [f'KTOTrainer(model="…", train_dataset=rows["{split}"].select_columns({columns}))']
    for name, purpose in (("openai_sft", "supervised"), ("openai_preference", "dpo")):
        files = manifest["formats"].get(name, {}).get("files", [])
        if files:
            code += ["", "from openai import OpenAI", ""]
            code += [f'file = OpenAI().files.create(file=open("{files[0]}", "rb"), purpose="fine-tune")']
            code += [
                f'OpenAI().fine_tuning.jobs.create(model="…", training_file=file.id, method={{"type": "{purpose}"}})'
            ]
    if "tfrecord" in manifest["formats"]:
        code += ["", "import tensorflow as tf", ""]
        code += [f'tf.data.TFRecordDataset(tf.io.gfile.glob("tfrecord/{split}-*.tfrecord"))']
    code += ["", "import mlcroissant", "", 'mlcroissant.Dataset("croissant.json").records("default")']
    return ["```python", *code, "```"]


def _provenance(manifest: Mapping[str, Any]) -> list[str]:
    lines = [
        f"- Partition {manifest['partition']}; content sha256 `{manifest['content_sha256']}`.",
        f"- Source `{manifest['recipe']['source']}`, rows where `{' '.join(manifest['recipe']['where'].split())}`.",
    ]
    days: dict[str, set[str]] = {}
    for file in manifest["ledger_files"]:
        _, stream, folder, *_ = file["path"].split("/")
        days.setdefault(stream, set()).add(folder.removeprefix("received_date="))
    for stream, received in days.items():
        lines.append(f"- Ledger `{stream}`: {min(received)} to {max(received)}, days: {len(received):,}.")
    versions = ", ".join(f"{event} {version}" for event, version in manifest["schema_version"].items())
    lines.append(f"- Schema versions: {versions}.")
    for report in manifest["gate"]["reports"]:
        held = sum(outcome["success"] for outcome in report["outcomes"])
        lines.append(f"- Gate `{report['gate']}`: {held} of {len(report['outcomes'])} expectations hold.")
    return [
        *lines,
        "- Every row can be traced by `feedback_id` and `request_id` to the landed lines that it came from: "
        "`attribution status --feedback ID`. `manifest.json` lists the ledger files read, the checksums of the files "
        "here and the result of the gate.",
    ]
