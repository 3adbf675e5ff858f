"""The gate of `marts.attributed_feedback`: the rows of one partition, each a feedback linked to its inference.

What is checked is what the contract promises of every row (sections 2, 3 and 5) and a training job would
silently learn from if it were broken. That keys relate to the other models is for the dbt tests.
"""

from typing import TYPE_CHECKING

from expectations.gx_runtime import import_gx
from expectations.rules import RowRules, row_count_is
from expectations.vocabulary import EARLIEST_LAG_SECONDS, FEEDBACK_TYPES, REWARD_RANGE

if TYPE_CHECKING:
    import great_expectations as gx

_SECONDS_A_DAY = 86_400

_ROW = RowRules(ids=("feedback_id", "request_id"))


def build_suite(
    *,
    window_days: int,
    earliest_lag_seconds: int = EARLIEST_LAG_SECONDS,
    expected_rows: int | None = None,
) -> "gx.ExpectationSuite":
    """Give `expected_rows` where the number of matches is known: an empty view passes all the other rules."""
    latest = window_days * _SECONDS_A_DAY
    counted = (
        []
        if expected_rows is None
        else [row_count_is(expected_rows, sentence=f"a row for each of the {expected_rows} attributed feedback")]
    )
    return import_gx().ExpectationSuite(
        name="attributed_feedback",
        expectations=[
            *counted,
            *(_ROW.not_null(column) for column in ("feedback_id", "request_id", "feedback_type", "model_version")),
            _ROW.unique("feedback_id"),
            _ROW.in_set("feedback_type", FEEDBACK_TYPES),
            _ROW.between("reward", *REWARD_RANGE),
            _ROW.no_row(
                f"lag_seconds is between {earliest_lag_seconds} and {latest}",
                where=f"lag_seconds is null or lag_seconds not between {earliest_lag_seconds} and {latest}",
            ),
            # DuckDB's greatest() ignores a null, so the two days are asked for by name; a review is not always there.
            _ROW.no_row(
                "attributed_date is the latest of the received dates of feedback, inference and review",
                where="feedback_received_date is null or inference_received_date is null or attributed_date is "
                "distinct from greatest(feedback_received_date, inference_received_date, review_received_date)",
            ),
        ],
    )
