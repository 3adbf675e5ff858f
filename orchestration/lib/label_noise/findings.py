"""What confident learning finds in a snapshot: two columns filled, and what the manifest tells of them."""

import json
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from orchestration.lib.card_statistics import OTHERS
from orchestration.lib.label_noise import trees, words
from orchestration.lib.label_noise.calibration import calibrated
from orchestration.lib.label_noise.judged_rows import JUDGED, Judged, choose_rows
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.label_noise import ISSUE, QUALITY

# Of the labels' uncertainty. Who can tell less of a class than this doubts the rare ones, right or wrong.
LEAST_SKILL = 0.1
# Quality is told in tenths: in hundredths four rows of ten are another with each day (docs/decisions/0021).
_DECIMALS = 1
# As everywhere on a card: what is longer may be what somebody wrote.
_LONGEST_NAME = 64
_TOLD = "label_noise_told"


def fill_columns(connection: duckdb.DuckDBPyConnection, recipe: Recipe, *, rows: str) -> None:
    """Fills the columns of the table `rows` that the recipe's `label_noise` asks for; leaves them null, and says why,
    where there is nothing to tell. Keeps what it found for `told`.
    """
    if recipe.label_noise is None:
        return
    judged = choose_rows(connection, recipe, rows=rows)
    found = {"reason": judged} if isinstance(judged, str) else _judge(connection, recipe, judged, rows=rows)
    connection.execute(f"create or replace temp table {_TOLD} as select ? as found", [json.dumps(found)])


def told(connection: duckdb.DuckDBPyConnection, recipe: Recipe) -> dict[str, Any]:
    """The manifest's `label_noise`; nothing where the recipe does not ask for it."""
    if recipe.label_noise is None:
        return {}
    row = connection.execute(f"select found from {_TOLD}").fetchone()
    assert row is not None
    return {"label_noise": json.loads(row[0])}


def _judge(connection: duckdb.DuckDBPyConnection, recipe: Recipe, judged: Judged, *, rows: str) -> dict[str, Any]:
    # Optional, and slow to import.
    from cleanlab.count import estimate_joint
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    noise = recipe.label_noise
    assert noise is not None
    types = {row[0]: row[1] for row in connection.execute(f"describe {rows}").fetchall()}
    of_features = trees.are_features(connection, noise, rows=rows, types=types)
    model = trees if of_features else words
    scores = model.held_out_scores(connection, noise, judged, rows=rows, types=types)
    told = connection.execute(f"select row_id, class from {JUDGED} order by n").fetchnumpy()
    classes = np.asarray(told["class"], np.int_)
    # Trees learn how common a class is; words do not say.
    found = calibrated(scores, classes, with_shares=not of_features)
    skill = round(found.skill, 2)
    if found.skill < LEAST_SKILL:
        names = " and ".join(f"`{column}`" for column in noise.given)
        return {
            "reason": f"{names} tell too little of the label: {max(skill, 0):.0%} of its uncertainty, "
            f"and {LEAST_SKILL:.0%} are needed.",
            "skill": skill,
        }
    suspected = find_label_issues(classes, found.probabilities, n_jobs=1)
    quality = np.round(get_label_quality_scores(classes, found.probabilities), _DECIMALS)
    doubts = pa.table({"row_id": told["row_id"], QUALITY: quality, ISSUE: suspected})  # noqa: F841  DuckDB reads it
    connection.execute(
        f"update {rows} set {QUALITY} = doubts.{QUALITY}, {ISSUE} = doubts.{ISSUE} "
        f"from doubts where {rows}.rowid = doubts.row_id"
    )
    joint = estimate_joint(classes, found.probabilities)
    return {
        "model": "boosted trees" if of_features else "naive Bayes over words",
        "skill": skill,
        "expected_noise": round(float(1 - np.trace(joint)), 3),
        "classes": [
            {
                "label": _shown(name),
                "rows": int((classes == n).sum()),
                "suspected": int((suspected & (classes == n)).sum()),
            }
            for n, name in enumerate(judged.classes)
        ],
    }


def _shown(label: str) -> str:
    return label if len(label) <= _LONGEST_NAME else OTHERS
