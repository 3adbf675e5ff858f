"""What the UI shows of a dataset's partition: its version, counts, balance, delta and gates. Numbers become plots."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from expectations.report import GateReport
from orchestration.lib.catalog import Catalog
from orchestration.lib.metadata_tables import table
from orchestration.lib.publication import Published

Metadata = dict[str, dg.MetadataValue]


def dataset_metadata(catalog: Catalog, published: Published, reports: Sequence[GateReport]) -> Metadata:
    """Of a partition that passed its gates. One that changed no row shows its version's counts and no change."""
    made = published.candidate
    metadata: Metadata = {
        "version": dg.MetadataValue.text(made.version or "none: no rows yet"),
        "is_new_version": dg.MetadataValue.bool(made.is_new),
        "rows": dg.MetadataValue.int(made.rows),
        "dagster/partition_row_count": dg.MetadataValue.int(made.rows),
        **_of_changes(published),
        **_of_gates(reports),
    }
    if made.version is None:
        return metadata
    manifest = catalog.manifest(made.version)
    folder = catalog.store.url(f"{catalog.dataset}/{made.version}")
    return {
        **metadata,
        "bytes": dg.MetadataValue.int(sum(file["bytes"] for file in manifest["files"])),
        "parent_version": dg.MetadataValue.text(manifest["parent_version"] or "none: the first one"),
        "manifest": dg.MetadataValue.path(f"{folder}/manifest.json"),
        "card": dg.MetadataValue.path(f"{folder}/README.md"),
        "dagster/uri": dg.MetadataValue.path(folder),
        **_of_splits(manifest["rows"]),
        **_of_classes(manifest.get("classes", {}), manifest["rows"]),
        **_of_sampling(manifest),
    }


def _of_changes(published: Published) -> Metadata:
    """The delta against the parent; where there is no new version it is none, so that plots have no gaps."""
    changes = published.changes
    added, changed, removed = (changes.added, changes.changed, changes.removed) if changes else (0, 0, 0)
    return {
        "rows_added": dg.MetadataValue.int(added),
        "rows_changed": dg.MetadataValue.int(changed),
        "rows_removed": dg.MetadataValue.int(removed),
    }


def _of_splits(rows: Mapping[str, int]) -> Metadata:
    total = sum(rows.values())
    shares = [(split, f"{n:,}", _share(n, total)) for split, n in rows.items()]
    numbers = {f"rows_in_{_name(split)}": dg.MetadataValue.int(n) for split, n in rows.items()}
    return {"splits": table("split | rows | share", shares), **numbers}


def _of_classes(classes: Mapping[str, Mapping[str, Mapping[str, int]]], splits: Mapping[str, int]) -> Metadata:
    """A table of all, and each class as a number; the class's column is in its name where there are several."""
    rows: list[tuple[Any, ...]] = []
    numbers: Metadata = {}
    for column, of_column in classes.items():
        total = sum(sum(of_class.values()) for of_class in of_column.values())
        for value, of_class in of_column.items():
            number = sum(of_class.values())
            rows.append((column, value, f"{number:,}", _share(number, total), *(of_class.get(s, 0) for s in splits)))
            of = f"{column}_{value}" if len(classes) > 1 else value
            numbers[f"rows_of_{_name(of)}"] = dg.MetadataValue.int(number)
    if not rows:
        return {}
    return {"class_balance": table(" | ".join(("column", "class", "rows", "share", *splits)), rows), **numbers}


def _of_sampling(manifest: Mapping[str, Any]) -> Metadata:
    """How many rows each stage let through, and how many rows of equal weight the weighted ones are worth."""
    told: Metadata = {}
    if stages := manifest.get("sampling"):
        rows = [(one["stage"], f"{one['rows_in']:,}", f"{one['rows_out']:,}") for one in stages]
        told["sampling"] = table("stage | rows in | rows out", rows)
    if (effective := manifest.get("weights", {}).get("effective_rows")) is not None:
        told["effective_rows"] = dg.MetadataValue.float(effective)
    return told


def _of_gates(reports: Sequence[GateReport]) -> Metadata:
    """Each gate in a line, and what one expected and saw where something is to be looked at."""
    if not reports:
        return {"gate": dg.MetadataValue.md("passed: no lines received")}
    rows = [
        (one.gate, "passed with warnings" if one.warnings else "passed", len(one.outcomes), len(one.warnings))
        for one in reports
    ]
    told: Metadata = {"gate": table("gate | result | expectations | warnings", rows)}
    told |= {f"gate: {one.gate}": dg.MetadataValue.md(one.to_markdown()) for one in reports if one.warnings}
    return told | {"gate_warnings": dg.MetadataValue.int(sum(len(one.warnings) for one in reports))}


def _share(number: int, total: int) -> str:
    return f"{number / total:.1%}" if total else "–"


def _name(text: str) -> str:
    """A value as part of a metadata's name."""
    return re.sub(r"\W+", "_", text).strip("_")
