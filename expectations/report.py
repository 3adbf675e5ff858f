"""What a gate found, in plain values: for an asset check, a manifest, a person.

No Great Expectations and no I/O. A report may be stored and shown anywhere, so it holds counts and at
most a few examples by their ids; nothing that a user wrote can get in.
"""

from dataclasses import asdict, dataclass
from typing import Any

EXAMPLE_COLUMNS: tuple[str, ...] = ("feedback_id", "request_id", "source_file", "source_line", "reason")
MAX_EXAMPLES = 5
# An id comes from a producer, who may have put a page of text there.
MAX_EXAMPLE_LENGTH = 120
# A summary is one line in a log: more failures than this are only counted.
_NAMED_FAILURES = 3


@dataclass(frozen=True, kw_only=True)
class ExpectationOutcome:
    """One expectation and what was seen. `unexpected_count` is None where there is nothing to count."""

    expectation: str
    success: bool
    observed: str
    unexpected_count: int | None = None
    examples: tuple[dict[str, object], ...] = ()

    def __post_init__(self) -> None:
        if len(self.examples) > MAX_EXAMPLES:
            raise ValueError(f"{len(self.examples)} examples of {self.expectation!r}; give at most {MAX_EXAMPLES}")
        strange = {name for example in self.examples for name in example} - set(EXAMPLE_COLUMNS)
        if strange:
            raise ValueError(
                f"examples of {self.expectation!r} show {', '.join(sorted(strange))}, which may hold user text; "
                f"select only {', '.join(EXAMPLE_COLUMNS)}"
            )


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """The outcomes of one gate on one partition, in the order of its suite."""

    gate: str
    partition: str
    outcomes: tuple[ExpectationOutcome, ...]

    @property
    def success(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if not outcome.success)

    def summary(self) -> str:
        """One line: what failed first, and how much of it."""
        of = f"gate {self.gate}, partition {self.partition}"
        if self.success:
            return f"{of}: all {len(self.outcomes)} expectations hold"
        named = "; ".join(f"{o.expectation} (found {o.observed})" for o in self.failures[:_NAMED_FAILURES])
        more = len(self.failures) - _NAMED_FAILURES
        rest = f"; and {more} more" if more > 0 else ""
        return f"{of}: {len(self.failures)} of {len(self.outcomes)} expectations failed: {named}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, and the same for the same data: no run ids, no times."""
        return {
            "gate": self.gate,
            "partition": self.partition,
            "success": self.success,
            "outcomes": [asdict(o) | {"examples": list(o.examples)} for o in self.outcomes],
        }

    def to_markdown(self) -> str:
        """A table, the failures first."""
        rows = sorted(self.outcomes, key=lambda outcome: outcome.success)
        lines = ["| | expectation | observed | examples |", "|---|---|---|---|"]
        lines += [
            f"| {'ok' if o.success else 'FAILED'} | {_cell(o.expectation)} | {_cell(o.observed)} "
            f"| {'; '.join(_cell(example_text(e)) for e in o.examples)} |"
            for o in rows
        ]
        return "\n".join(lines)


def example_text(example: dict[str, object]) -> str:
    """An example in one line, e.g. `source_file=a.jsonl source_line=3 reason=not_json`."""
    return " ".join(f"{name}={value}" for name, value in example.items())


def _cell(text: str) -> str:
    """Text that can not break out of its cell, whatever a producer used as an id."""
    for special in ("\\", "|", "`", "*", "_", "[", "]"):
        text = text.replace(special, "\\" + special)
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())
