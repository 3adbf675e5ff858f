"""The dataset card: what a person, and `datasets.load_dataset`, read first in a version's folder."""

from collections.abc import Mapping
from typing import Any

import yaml

from orchestration.lib.recipe import Recipe

_HF_TYPES = {
    "VARCHAR": "string",
    "BIGINT": "int64",
    "DOUBLE": "float64",
    "BOOLEAN": "bool",
    "DATE": "date32",
    "TIMESTAMP WITH TIME ZONE": "timestamp[us, tz=UTC]",
}


def dataset_card(
    recipe: Recipe, manifest: Mapping[str, Any], types: Mapping[str, str], by_type: Mapping[str, int]
) -> str:
    """README.md of a version: YAML that finds the splits and their features, then what the rows are."""
    header = {
        "license": recipe.license,
        "pretty_name": f"{recipe.name} {manifest['version']}",
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": s, "path": f"data/{s}-*.parquet"} for s in manifest["rows"]],
            }
        ],
        "dataset_info": {
            "features": [{"name": column, "dtype": _HF_TYPES[kind]} for column, kind in types.items()],
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
    changes = manifest["changes"]
    lines = [
        "---",
        yaml.safe_dump(header, sort_keys=False, allow_unicode=True).strip(),
        "---",
        f"# {recipe.name}, version {manifest['version']}",
        "",
        recipe.description,
        "",
        f"State as of the end of {manifest['partition']} (received date, UTC). Parent version: "
        f"{manifest['parent_version'] or 'none'}; against it {changes['added']:,} rows were added, "
        f"{changes['changed']:,} changed and {changes['removed']:,} removed.",
        "",
        "| feedback type | rows |",
        "|---|---:|",
        *(f"| {kind} | {rows:,} |" for kind, rows in by_type.items()),
        "",
        "| column | type | meaning |",
        "|---|---|---|",
        *(f"| `{c}` | {_HF_TYPES[types[c]]} | {meaning} |" for c, meaning in recipe.columns.items()),
        "",
        "Every row can be traced by `feedback_id` and `request_id` to the landed lines that it came from: "
        "`attribution status --feedback ID`. `manifest.json` lists the ledger files read, the checksums of the "
        "files here and the result of the gate.",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'load_dataset("path/to/this/folder")',
        "```",
        "",
    ]
    return "\n".join(lines)
