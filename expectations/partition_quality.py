"""The default gate of the contract: the one row of `marts.partition_quality` that sums up a partition.

Run on a view with the partition's row. It counts what the models made of the day's lines, so a mistake in
the counting must not look like a good day: the parts have to add up before their shares mean anything.
"""

from typing import TYPE_CHECKING

from expectations.gx_runtime import import_gx
from expectations.rules import RowRules, percent, row_count_is, share_at_most
from expectations.thresholds import Thresholds

if TYPE_CHECKING:
    import great_expectations as gx

FEEDBACK_PARTS: tuple[str, ...] = (
    "feedback_dead_letters",
    "feedback_duplicates",
    "feedback_invalid",
    "feedback_requires_human_review",
    "feedback_pending",
    "feedback_attributed",
)
INFERENCE_PARTS: tuple[str, ...] = ("inference_dead_letters", "inference_duplicates")

# The one row needs no example.
_ROW = RowRules()


def build_suite(*, thresholds: Thresholds) -> "gx.ExpectationSuite":
    dead, invalid = thresholds.max_dead_letter_share, thresholds.max_invalid_share
    any_negative = " or ".join(f"{part} < 0" for part in (*FEEDBACK_PARTS, *INFERENCE_PARTS))
    return import_gx().ExpectationSuite(
        name="partition_quality",
        expectations=[
            row_count_is(1, sentence="the partition has exactly one row"),
            _ROW.no_row(
                "the states of the feedback add up to its lines",
                where=f"{' + '.join(FEEDBACK_PARTS)} is distinct from feedback_lines",
            ),
            # One part is computed as the rest; a double count elsewhere would only show as a negative rest.
            _ROW.no_row("no count is negative", where=any_negative),
            _ROW.no_row(
                "inference dead letters and duplicates are no more than its lines",
                where=f"coalesce({' + '.join(INFERENCE_PARTS)} > inference_lines, true)",
            ),
            _share(
                f"at most {percent(dead)} of the feedback lines are dead letters",
                at_most=dead,
                part="feedback_dead_letters",
                whole="feedback_lines",
            ),
            _share(
                f"at most {percent(dead)} of the inference lines are dead letters",
                at_most=dead,
                part="inference_dead_letters",
                whole="inference_lines",
            ),
            _share(
                f"at most {percent(invalid)} of the feedback lines are invalid",
                at_most=invalid,
                part="feedback_invalid",
                whole="feedback_lines",
            ),
        ],
    )


def _share(sentence: str, *, at_most: float, part: str, whole: str) -> object:
    # Summed, so that the query stays sound where the view has no row or two; the row count tells of it.
    return share_at_most(
        sentence,
        at_most=at_most,
        part=f"sum({part})",
        whole=f"sum({whole})",
        rows="select partition_date from {batch} where",
    )
