"""How many rows of a version are examples of what, by split: what a manifest and the UI tell of its balance."""

from pathlib import Path

import duckdb

from orchestration.formats import data_files
from orchestration.lib import parquet_files
from orchestration.lib.card_statistics import Statistics
from orchestration.lib.field_sql import quote

_REWARD = "reward"
# A reward is a number; which way it points is its class.
_SIGN = f"""
    case when {_REWARD} > 0 then 'good' when {_REWARD} < 0 then 'bad' when {_REWARD} = 0 then 'neutral' else 'none' end
"""

# Column to class to split to rows.
Classes = dict[str, dict[str, dict[str, int]]]


def class_balance(connection: duckdb.DuckDBPyConnection, folder: Path, found: Statistics) -> Classes:
    """The classes that the card counts, and the rewards by their sign."""
    classes: Classes = {column: dict(values) for column, values in found.classes.items()}
    if any(number.column == _REWARD for number in found.numbers):
        rows = " union all ".join(
            f"select {quote(split)} as split, {_REWARD} from {parquet_files.read(paths)}"
            for split, paths in data_files(folder).items()
        )
        counts = connection.execute(
            f"""
            with signs as (select {_SIGN} as sign, split, count(*) as rows from ({rows}) group by all)
            select sign, split, rows from signs order by sum(rows) over (partition by sign) desc, sign, split
            """
        ).fetchall()
        for sign, split, number in counts:
            classes.setdefault(_REWARD, {}).setdefault(sign, {})[split] = number
    return classes
