"""The words in which the traffic is planted: a line, its answer, the file it lands in.

What belongs here: the dataclasses and the one-line builders that the plan's tables are written
with. What does not: any rule of the contract. An answer is always written out beside its line,
never worked out, so that a misreading in the product cannot hide behind the same one here.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

JAN_15, JAN_16 = date(2024, 1, 15), date(2024, 1, 16)
MAR_1, MAR_2, MAR_3 = date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 3)
MAR_4, MAR_5 = date(2024, 3, 4), date(2024, 3, 5)

Stream = Literal["feedback", "inferences"]

# The states of the contract are those of feedback lines. An inference line has none there;
# here it `counts` (first of its request id), is `ignored` (that content again) or a `dead_letter`.
FEEDBACK_STATES = (
    "attributed", "pending", "requires_human_review", "invalid", "duplicate", "dead_letter", "erased",
)  # fmt: skip
INFERENCE_STATES = ("counts", "ignored", "dead_letter")

PAD = b"<pad>"  # stands in `raw` for the text that blows a line up to `padded_to` bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known of a feedback line, and the received date by whose end it is known."""

    state: str
    reason: str
    attributed_date: date | None
    settled_on: date


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One planted line, where it stands, and its answer as of the end of 2024-03-05.

    `feedback_id` None means any derived id; lines that share `same_content` must derive the same
    one, and no two lines that do not. In a dead letter both ids are None: not asserted.
    `settled_on` is the received date by whose end the answer stands (before it: `pending`), None
    where that is the line's own. `after_late` is the answer once the late files have landed, None
    where they change nothing. `raw` is the line without its line end; in a Parquet file it spells
    the row as JSON.
    """

    state: str
    reason: str
    why: str
    raw: bytes
    feedback_id: str | None = None
    request_id: str | None = None
    attributed_date: date | None = None
    settled_on: date | None = None
    after_late: Answer | None = None
    same_content: str | None = None
    padded_to: int = 0
    stream: Stream = "feedback"
    received_date: date = date.min
    file: str = ""
    source_line: int = 0

    def landed(self) -> bytes:
        """The bytes as they stand in the file."""
        if not self.padded_to:
            return self.raw
        return self.raw.replace(PAD, b"x" * (self.padded_to - len(self.raw) + len(PAD)))


@dataclass(frozen=True, kw_only=True)
class LandingFile:
    """One file in landing: its lines (`body` holds the blank ones too) and its oddities."""

    stream: Stream
    received_date: date
    name: str
    lines: tuple[Planted, ...] = ()
    body: tuple[bytes | Planted, ...] = ()
    bom: bool = False
    line_end: bytes = b"\n"
    ends_with_line_end: bool = True
    members: int = 1  # a .gz or .zst of so many members one after the other
    cut: bool = False  # the compressed stream breaks off within its last line
    verbatim: bytes | None = None  # the file's bytes, where it does not consist of lines
    late: bool = False

    @property
    def path(self) -> str:
        """The path below landing/."""
        return f"{self.stream}/dt={self.received_date.isoformat()}/{self.name}"


def landing_file(
    stream: Stream, received_date: date, name: str, *body: bytes | Planted,
    bom: bool = False, line_end: bytes = b"\n", ends_with_line_end: bool = True,
    members: int = 1, cut: bool = False, verbatim: bytes | None = None, late: bool = False,
) -> LandingFile:  # fmt: skip
    """Give each line its place. A bare `bytes` in the body is a blank line: it keeps its number."""
    placed = tuple(
        replace(line, stream=stream, received_date=received_date, file=name, source_line=number)
        if isinstance(line, Planted)
        else line
        for number, line in enumerate(body, start=1)
    )
    return LandingFile(
        stream=stream, received_date=received_date, name=name, body=placed, bom=bom,
        lines=tuple(line for line in placed if isinstance(line, Planted)),
        line_end=line_end, ends_with_line_end=ends_with_line_end,
        members=members, cut=cut, verbatim=verbatim, late=late,
    )  # fmt: skip


def _bytes(raw: str | bytes) -> bytes:
    return raw.encode() if isinstance(raw, str) else raw


def attributed(
    raw: str | bytes, *, of: str, on: date, why: str,
    id: str | None = None, same: str | None = None, padded_to: int = 0,
) -> Planted:  # fmt: skip
    """A feedback line linked to inference `of`, in partition `on`."""
    return Planted(
        state="attributed", reason="matched_request_id", why=why, raw=_bytes(raw), feedback_id=id,
        request_id=of, attributed_date=on, settled_on=on, same_content=same, padded_to=padded_to,
    )  # fmt: skip


def pending(raw: str | bytes, *, of: str, why: str, id: str | None = None, after_late: Answer | None = None) -> Planted:
    """A feedback line whose inference `of` has not arrived by the end of 2024-03-05."""
    return Planted(
        state="pending", reason="awaiting_inference", why=why, raw=_bytes(raw), feedback_id=id,
        request_id=of, after_late=after_late,
    )  # fmt: skip


def invalid(
    raw: str | bytes, reason: str, *, of: str, why: str,
    id: str | None = None, settled: date | None = None,
) -> Planted:  # fmt: skip
    """A feedback line that breaks a rule of sense, known from `settled` on."""
    return Planted(
        state="invalid", reason=reason, why=why, raw=_bytes(raw), feedback_id=id, request_id=of,
        settled_on=settled,
    )  # fmt: skip


def duplicate(raw: str | bytes, *, of: str, why: str, id: str | None = None, same: str | None = None) -> Planted:
    """A feedback line whose feedback_id was received before."""
    return Planted(
        state="duplicate", reason="duplicate_feedback_id", why=why, raw=_bytes(raw),
        feedback_id=id, request_id=of, same_content=same,
    )  # fmt: skip


def dead(raw: str | bytes, reason: str, why: str, *, padded_to: int = 0) -> Planted:
    """A line of either stream that is kept in dead letter."""
    return Planted(state="dead_letter", reason=reason, why=why, raw=_bytes(raw), padded_to=padded_to)


def counts(raw: str | bytes, *, of: str, why: str) -> Planted:
    """An inference line: the first sound one received of request id `of`."""
    return Planted(state="counts", reason="", why=why, raw=_bytes(raw), request_id=of)


def ignored(raw: str | bytes, *, of: str, why: str) -> Planted:
    """An inference line that says again what an earlier one of its request id said."""
    return Planted(state="ignored", reason="", why=why, raw=_bytes(raw), request_id=of)


def late_attributed(on: date) -> Answer:
    """Attributed in partition `on`, once the late inference is there."""
    return Answer(state="attributed", reason="matched_request_id", attributed_date=on, settled_on=on)


def late_invalid(reason: str, *, settled: date) -> Answer:
    """Invalid from partition `settled` on, once the late inference is there."""
    return Answer(state="invalid", reason=reason, attributed_date=None, settled_on=settled)
