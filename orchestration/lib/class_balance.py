"""How many rows of a version are examples of what, by split: what a manifest and the UI tell of its balance."""

import duckdb

from orchestration.lib.card_facts import FACTS, FILES, NUMBER
from orchestration.lib.card_statistics import Statistics

_REWARD = "reward"
# A reward is a number; which way it points is its class.
_SIGN = "case when number > 0 then 'good' when number < 0 then 'bad' when number = 0 then 'neutral' else 'none' end"

# Column to class to split to rows.
Classes = dict[str, dict[str, dict[str, int]]]


def class_balance(connection: duckdb.DuckDBPyConnection, found: Statistics) -> Classes:
    """The classes that the card counts, and the rewards by their sign, of the facts on the connection."""
    classes: Classes = {column: dict(values) for column, values in found.classes.items()}
    if any(number.column == _REWARD for number in found.numbers):
        counts = connection.execute(
            f"""
            with signs as (
                select {_SIGN} as sign, split_ as split, sum(rows)::bigint as rows
                from {FACTS} join {FILES} using (file) where kind = '{NUMBER}' and name = '{_REWARD}' group by all
            )
            select sign, split, rows from signs order by sum(rows) over (partition by sign) desc, sign, split
            """
        ).fetchall()
        for sign, split, number in counts:
            classes.setdefault(_REWARD, {}).setdefault(sign, {})[split] = number
    return classes
