"""The gate of a dataset version: its staged rows, the last look before they are published for good.

A version is never changed once it is there, so this repeats what the marts' gate checked upstream: a
recipe's SQL stands in between, and may join, filter or rename. Leakage is the fault that nobody would
notice afterwards: a row that was not known yet at the end of the version's partition.
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from expectations.gx_runtime import import_gx
from expectations.rules import RowRules, columns_are, has_rows, row_count_is
from expectations.vocabulary import FEEDBACK_TYPES, REWARD_RANGE

if TYPE_CHECKING:
    import great_expectations as gx

_ROW = RowRules(ids=("feedback_id", "request_id"))


def build_suite(
    *,
    name: str,
    columns: Sequence[str],
    expected_rows: int,
    partition: date,
    key: Sequence[str] = ("feedback_id",),
    has_silence: bool = False,
    may_be_empty: bool = False,
) -> "gx.ExpectationSuite":
    """`columns` are the recipe's, in order; `key` tells rows apart; where it `has_silence`, rows may have no feedback,
    and where it `may_be_empty`, there may be none. A rule on a column that the recipe does not publish is left out."""
    missing = [column for column in _ROW.ids if column not in columns]
    if missing:
        raise ValueError(f"dataset {name} has no {' and no '.join(missing)}; every recipe must publish them")
    optional = {
        "model_version": _ROW.not_null("model_version"),
        "attributed_date": _ROW.no_row(
            f"no row was attributed after {partition}",
            where=f"attributed_date is null or attributed_date > date '{partition}'",
        ),
        "feedback_type": _ROW.in_set("feedback_type", FEEDBACK_TYPES),
        "reward": _ROW.between("reward", *REWARD_RANGE),
    }
    return import_gx().ExpectationSuite(
        name=f"dataset_{name}",
        expectations=[
            columns_are(columns, in_order=True),
            *([] if may_be_empty else [has_rows()]),
            row_count_is(expected_rows, sentence=f"all {expected_rows} rows of the recipe are there"),
            *([] if has_silence else [_ROW.not_null("feedback_id")]),
            _ROW.unique(*key) if len(key) == 1 else _ROW.unique_together(key),
            _ROW.not_null("request_id"),
            *(rule for column, rule in optional.items() if column in columns),
        ],
    )
