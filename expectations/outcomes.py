"""From one Great Expectations result to an `ExpectationOutcome`: pure, and the place where text is kept out.

GX results can quote data in two ways: lists of unexpected values, which the session never asks for, and
the message of a query that failed, of which only `spoken_error` lets anything through.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from expectations.report import MAX_EXAMPLE_LENGTH, ExpectationOutcome, GateReport
from expectations.rules import SENTENCE

UNEXPECTED_ROWS = "unexpected_rows_expectation"
# Errors of a query that was never run: they speak of columns and tables, and no row was read yet.
_BEFORE_ANY_ROW = ("BinderException", "CatalogException", "ParserException")
# At the start only: further on, the word may be a user's.
_KIND_OF_ERROR = re.compile(r"\(?(?:\w+\.)*(\w+(?:Exception|Error))\b")
_MISSING_COLUMN = re.compile(r'The column "[^"]*" in BatchData does not exist')


def report_of(gate: str, partition: str, suite: Any, outcomes: Sequence[ExpectationOutcome]) -> GateReport:
    """The outcomes of a suite's expectations: GX has an order of its own, and the suite's is what its author meant."""
    order = [expectation.meta[SENTENCE] for expectation in suite.expectations]
    in_order = sorted(outcomes, key=lambda outcome: order.index(outcome.expectation))
    return GateReport(gate=gate, partition=partition, outcomes=tuple(in_order))


def outcome_of(
    result: Any,
    *,
    share: tuple[int, int] | None,
    examples: Sequence[Mapping[str, object]],
    found: str | None = None,
) -> ExpectationOutcome:
    """`result` is GX's ExpectationValidationResult; `share` the part and the whole that its rule counts, or
    `found` the words of what it found.
    """
    error = raised(result)
    count = None if error is not None else _unexpected_count(result, share)
    return ExpectationOutcome(
        expectation=result.expectation_config.meta[SENTENCE],
        success=bool(result.success),
        observed=spoken_error(error) if error is not None else found or _observed(result, share),
        unexpected_count=count,
        blocks=_blocks(result),
        examples=tuple(_plain(example) for example in examples),
    )


def _blocks(result: Any) -> bool:
    """Whether a failure holds the partition back: GX's severity, but an error is never a mere warning."""
    return result.expectation_config.severity == "critical" or raised(result) is not None


def raised(result: Any) -> str | None:
    """The message of the error that kept an expectation from being evaluated.

    GX has two shapes for it: one error, or one for each metric that failed.
    """
    info = result.exception_info or {}
    for error in (info, *info.values()):
        if isinstance(error, Mapping) and error.get("raised_exception"):
            return str(error.get("exception_message"))
    return None


def spoken_error(message: str) -> str:
    """What of an error can be shown: all of it where no row was read, else only its kind.

    DuckDB quotes the value that it could not convert or parse, and that is user text.
    """
    missing = _MISSING_COLUMN.search(message)
    if missing:
        return f"not evaluated: {missing.group(0)}"
    kind = _KIND_OF_ERROR.match(message)
    if kind and kind.group(1) in _BEFORE_ANY_ROW:
        return f"not evaluated: {message.splitlines()[0][:200]}"
    return f"not evaluated: {kind.group(1) if kind else 'an error'} (run the gate's query by hand to see it)"


def share_text(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.2f} %)" if whole else "")


def _unexpected_count(result: Any, share: tuple[int, int] | None) -> int | None:
    if share is not None:
        return share[0]
    counted = "observed_value" if result.expectation_config.type == UNEXPECTED_ROWS else "unexpected_count"
    count: int | None = result.result.get(counted)
    return count


def _observed(result: Any, share: tuple[int, int] | None) -> str:
    found: Mapping[str, Any] = result.result
    if share is not None:
        return share_text(*share)
    if "unexpected_count" in found:
        return f"{found['unexpected_count']} of {found['element_count']} rows"
    mismatched = found.get("details", {}).get("mismatched")
    if mismatched:
        return _columns_at_fault(mismatched)
    observed = found.get("observed_value")
    if isinstance(observed, list):
        return f"{len(observed)} columns"
    return "1 row" if observed == 1 else f"{observed} rows"


def _columns_at_fault(mismatched: Any) -> str:
    """The columns that are missing, too many or out of place, from either of GX's two shapes."""
    if isinstance(mismatched, Mapping):
        parts = [(word, mismatched.get(word) or []) for word in ("missing", "unexpected")]
        return "; ".join(f"{word}: {', '.join(columns)}" for word, columns in parts if columns)
    return "; ".join(
        f"column {place['Expected Column Position'] + 1} is {place['Found'] or 'missing'}, "
        f"expected {place['Expected'] or 'none'}"
        for place in mismatched
    )


def _plain(example: Mapping[str, object]) -> dict[str, object]:
    """JSON-ready values, ids no longer than an id needs to be."""
    return {name: _short(value) for name, value in example.items()}


def _short(value: object) -> object:
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    return text if len(text) <= MAX_EXAMPLE_LENGTH else text[: MAX_EXAMPLE_LENGTH - 1] + "…"
