"""What a gate found, in plain values: for an asset check, a manifest, a person.

No Great Expectations and no I/O. A report may be stored and shown anywhere, so it holds counts and at
most a few examples by their ids; nothing that a user wrote can get in.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

EXAMPLE_COLUMNS: tuple[str, ...] = ("feedback_id", "request_id", "source_file", "source_line", "reason")
MAX_EXAMPLES = 5
# Rows of a table of findings.
MAX_FINDINGS = 20
# An id comes from a producer, who may have put a page of text there.
MAX_EXAMPLE_LENGTH = 120
# A summary is one line in a log: more failures than this are only counted.
_NAMED_FAILURES = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A number of a partition beside those of the days before it. `subject` is made of words of the platform
    and of producers' names of versions, never of what a user wrote.
    """

    subject: str
    today: str
    expected: str
    days: int
    surprise: float

    @property
    def sentence(self) -> str:
        surprise = f"surprise {self.surprise:.1f}"
        return f"{self.subject}: {self.today}, expected {self.expected} from {self.days} days, {surprise}"


@dataclass(frozen=True, kw_only=True)
class ExpectationOutcome:
    """One expectation and what was seen. `unexpected_count` is None where there is nothing to count; one that
    does not block is a warning where it fails.
    """

    expectation: str
    success: bool
    observed: str
    unexpected_count: int | None = None
    blocks: bool = True
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
    """The outcomes of one gate on one partition, in the order of its suite. `findings` are what a person may
    want to see beside them, the most surprising first; they are not kept with a dataset's version.
    """

    gate: str
    partition: str
    outcomes: tuple[ExpectationOutcome, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def success(self) -> bool:
        """Whether the partition may be published."""
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if not outcome.success and outcome.blocks)

    @property
    def warnings(self) -> tuple[ExpectationOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if not outcome.success and not outcome.blocks)

    def summary(self) -> str:
        """One line: what failed first, and how much of it; where nothing did, what is warned of."""
        of = f"gate {self.gate}, partition {self.partition}"
        number = len(self.outcomes)
        if self.failures:
            return f"{of}: {len(self.failures)} of {number} expectations failed: {_named(self.failures)}"
        if self.warnings:
            return (
                f"{of}: passed with {len(self.warnings)} of {number} expectations to look at: {_named(self.warnings)}"
            )
        return f"{of}: all {number} expectations hold"

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
        rows = sorted(self.outcomes, key=lambda outcome: (outcome.success, not outcome.blocks))
        lines = ["| | expectation | observed | examples |", "|---|---|---|---|"]
        lines += [
            f"| {_word(o)} | {_cell(o.expectation)} | {_cell(o.observed)} "
            f"| {'; '.join(_cell(example_text(e)) for e in o.examples)} |"
            for o in rows
        ]
        return "\n".join(lines)


def example_text(example: dict[str, object]) -> str:
    """An example in one line, e.g. `source_file=a.jsonl source_line=3 reason=not_json`."""
    return " ".join(f"{name}={value}" for name, value in example.items())


def findings_table(reports: Sequence[GateReport]) -> str:
    """The most surprising numbers of all reports as a table, or nothing."""
    found = [(finding, report.partition) for report in reports for finding in report.findings]
    if not found:
        return ""
    lines = ["| partition | what | that day | expected | from days | surprise |", "|---|---|---|---|---:|---:|"]
    for finding, partition in sorted(found, key=lambda f: (-f[0].surprise, f[1]))[:MAX_FINDINGS]:
        lines.append(
            f"| {partition} | {_cell(finding.subject)} | {finding.today} | {finding.expected} | {finding.days} "
            f"| {finding.surprise:.1f} |"
        )
    return "\n".join(lines)


def _named(outcomes: Sequence[ExpectationOutcome]) -> str:
    named = "; ".join(f"{o.expectation} (found {o.observed})" for o in outcomes[:_NAMED_FAILURES])
    more = len(outcomes) - _NAMED_FAILURES
    return named + (f"; and {more} more" if more > 0 else "")


def _word(outcome: ExpectationOutcome) -> str:
    if outcome.success:
        return "ok"
    return "FAILED" if outcome.blocks else "WARNING"


def _cell(text: str) -> str:
    """Text that can not break out of its cell, whatever a producer used as an id."""
    for special in ("\\", "|", "`", "*", "_", "[", "]"):
        text = text.replace(special, "\\" + special)
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())
