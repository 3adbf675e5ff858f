"""The card's section on label noise: how many labels of which class are suspected, and by what."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def card_section(
    manifest: Mapping[str, Any], *, table: Callable[[Sequence[str], Sequence[Sequence[Any]]], list[str]]
) -> list[str]:
    """Nothing where the recipe does not ask for it. `table` makes a Markdown table of a head and rows."""
    found = manifest.get("label_noise")
    if found is None:
        return []
    noise = manifest["recipe"]["label_noise"]
    head = ["## Label noise", ""]
    if "reason" in found:
        return [*head, f"`label_quality` and `is_label_issue` are null in every row. {found['reason']}"]
    given = " and ".join(f"`{column}`" for column in noise["from"])
    cells = [
        (one["label"], one["rows"], one["suspected"], f"{one['suspected'] / one['rows']:.1%}")
        for one in found["classes"]
    ]
    judged, suspected = (sum(one[what] for one in found["classes"]) for what in ("rows", "suspected"))
    return [
        *head,
        f"Confident learning (cleanlab {noise['libraries']['cleanlab']}) expects {found['expected_noise']:.1%} of the "
        f"labels in `{noise['label']}` to be wrong, and suspects {suspected:,} of {judged:,} rows "
        f"(`is_label_issue`). It asks a model ({found['model']}) that sees only {given} and learned from the other "
        f"{noise['folds'] - 1} of {noise['folds']} parts of the rows, which takes away {found['skill']:.0%} of the "
        "label's uncertainty: what it can not see it holds against a label. Look at the rows before you leave them "
        "out.",
        "",
        *table((noise["label"].replace("_", " "), "rows", "suspected", "share"), cells),
    ]
