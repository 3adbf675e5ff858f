"""The gate of the ledger: all lines received of one stream on one day, sound ones and dead letters.

Run on a view with the rows of one received date. Whether a dead letter's reason is right is for the
ledger's own tests; here, that no line is lost, none counted twice, and not too many are dead.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from expectations.gx_runtime import import_gx
from expectations.rules import RowRules, columns_are, percent, row_count_is, share_at_most
from expectations.thresholds import Thresholds

if TYPE_CHECKING:
    import great_expectations as gx

LINE_COLUMNS: tuple[str, ...] = (
    "received_date",
    "source_file",
    "source_line",
    "dead_letter_reason",
    "dead_letter_detail",
    "raw",
)

# What a sound line of each stream has, and the condition under which it lacks something of it.
_SOUND_LINES: Mapping[str, tuple[str, str]] = {
    "inferences": (
        "sound lines have request_id, inference_at and model_version",
        "request_id is null or inference_at is null or model_version is null",
    ),
    "feedback": (
        "sound lines have feedback_id, feedback_type and one of request_id and session_id",
        "feedback_id is null or feedback_type is null or coalesce(request_id, session_id) is null",
    ),
    "reviews": (
        "sound lines have feedback_id, decision and reviewer",
        "feedback_id is null or decision is null or reviewer is null",
    ),
    "erasures": ("sound lines have a subject", "subject is null"),
}

_LINE = RowRules(ids=("source_file", "source_line"))

# Dead letters one of each reason first, so that five examples tell of five kinds of fault.
_DEAD_LETTERS_BY_REASON = (
    "select source_file, source_line, dead_letter_reason as reason from {batch} "
    "where dead_letter_reason is not null order by row_number() over "
    "(partition by dead_letter_reason order by source_file, source_line), dead_letter_reason"
)


def build_suite(
    *, stream: str, columns: Sequence[str], lines_received: int, thresholds: Thresholds
) -> "gx.ExpectationSuite":
    """`columns` are the stream's typed columns (those of every line may be among them)."""
    if stream not in _SOUND_LINES:
        raise ValueError(f"no suite for the stream {stream!r}; say in expectations/ledger.py what its sound lines have")
    sentence, lacks_something = _SOUND_LINES[stream]
    # An erasure that nobody can read is a person who is not forgotten.
    at_most = 0.0 if stream == "erasures" else thresholds.max_dead_letter_share
    return import_gx().ExpectationSuite(
        name=f"ledger_{stream}",
        expectations=[
            columns_are(list(dict.fromkeys((*LINE_COLUMNS, *columns)))),
            row_count_is(lines_received, sentence=f"a row for each of the {lines_received} lines received"),
            _LINE.not_null("received_date"),
            _LINE.not_null("source_file"),
            _LINE.not_null("source_line"),
            _LINE.unique_together(("source_file", "source_line")),
            _LINE.no_row(sentence, where=f"dead_letter_reason is null and ({lacks_something})"),
            _LINE.no_row("dead letters carry their raw text", where="dead_letter_reason is not null and raw is null"),
            share_at_most(
                f"at most {percent(at_most)} of the {stream} lines are dead letters",
                at_most=at_most,
                part="count(dead_letter_reason)",
                whole="count(*)",
                rows="select source_file, source_line from {batch} where dead_letter_reason is not null and",
                examples=_DEAD_LETTERS_BY_REASON,
            ),
        ],
    )
