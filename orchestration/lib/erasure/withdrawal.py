"""Withdrawing dataset versions: which of them hold a person, and what is left of them.

A version's content goes, and its manifest stays and says why. What took its place is published by the ordinary way,
which finds the partitions without a version (lib/publication.py).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestration.lib.catalog import Catalog, datasets, withdrawn_text
from orchestration.lib.erasure.plan import Plan
from orchestration.lib.erasure.search import Search
from orchestration.lib.holdings import holdings
from orchestration.lib.rests_on import Wanted
from orchestration.lib.settings import Settings
from orchestration.lib.store import fsync, json_text, replace_text
from orchestration.lib.summary import table

# What of a manifest tells nothing of anybody: no values of columns, no examples of gates.
_KEPT = (
    *("name", "version", "partition", "parent_version", "content_sha256", "rows", "changes", "privacy", "recipe"),
    *("schema_version", "settings", "held_out_files", "made_with", "ledger_files", "files"),
)
REASON = "erasure of a person"


def versions_that_hold(settings: Settings, plan: Plan, user_id: str | None, search: Search) -> dict[str, list[str]]:
    """The versions of each dataset that rest on the person's lines, or any of whose files has what is searched for.

    Rows may have the person's words without an id, as an earlier turn of a conversation: the warehouse knows them, as
    it was built with the lines.
    """
    first = plan.first_day
    if first is None:
        return {}
    found: dict[str, set[str]] = {}
    if settings.warehouse.exists() and datasets(settings):
        wanted = Wanted(feedback_ids=plan.feedback_ids, request_ids=plan.request_ids, user_id=user_id)
        for row in holdings(settings, wanted, with_changes=False)[0]:
            found.setdefault(row["dataset"], set()).add(row["version"])
    for dataset in datasets(settings):
        catalog = Catalog(settings, dataset)
        known = found.get(dataset, set())
        for version in (one for one in catalog.versions() if one not in known and one[:10] >= str(first)):
            folder = Path(catalog.store.full(f"{dataset}/{version}"))
            if any(search.is_in(path) for path in sorted(folder.rglob("*")) if path.is_file()):
                found.setdefault(dataset, set()).add(version)
    return {dataset: sorted(versions) for dataset, versions in sorted(found.items())}


def withdraw(
    settings: Settings, versions: Mapping[str, list[str]], why: Mapping[str, str], *, are_replaced: bool = True
) -> None:
    """Withdraws versions, whole or again: first nobody is led to them, then their content goes.

    `why` has the `reason`, and more; whether others take their place is told to `Catalog.withdraw`.
    """
    for dataset, of_dataset in versions.items():
        catalog = Catalog(settings, dataset)
        catalog.withdraw(dict.fromkeys(of_dataset, why), are_replaced=are_replaced)
        for version, told in catalog.withdrawn().items():
            if version in of_dataset:
                _empty(Path(catalog.store.full(f"{dataset}/{version}")), catalog.manifest(version), told)


def _empty(folder: Path, manifest: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Leaves nothing but the manifest in a version's folder."""
    left = {name: manifest[name] for name in _KEPT if name in manifest} | {"withdrawn": dict(told)}
    replace_text(folder / "manifest.json", json_text(left))
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "manifest.json":
            path.unlink()
    fsync(folder)


def withdrawn_difference(settings: Settings, dataset: str, before: str, after: str) -> str | None:
    """What can still be told of two versions of which one was withdrawn: counts; None where both are there."""
    catalog = Catalog(settings, dataset)
    withdrawn = catalog.withdrawn()
    if not {before, after} & withdrawn.keys():
        return None
    # One that never was is told of as such.
    counts = [
        sum((catalog.manifest(one) if one in withdrawn else catalog.published(one))["rows"].values())
        for one in (before, after)
    ]
    reasons = [withdrawn_text(dataset, one, withdrawn[one]) for one in (before, after) if one in withdrawn]
    is_successor = withdrawn.get(before, {}).get("successor") == after
    cause = "erasure" if is_successor and withdrawn[before]["reason"] == REASON else "unknown"
    return table(["cause", "rows before", "rows after"], [[cause, *counts]]) + "\n" + "\n".join(reasons)
