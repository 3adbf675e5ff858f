"""The gate that learns: a partition's profile beside those of the days before it.

`compare` gives a row a value of `marts.partition_profile` with what was expected of it and how surprising it
is (`surprise`); `build_suite` says which of these rows may not be there. A change has to be surprising *and*
big: many lines alone make any change significant, few lines make any share big.

Broken lines (dead letters and invalid feedback) block. Everything else warns: a quiet weekend, a canary, a
new kind of feedback are how products live. What the fixed thresholds would block is no past to learn from,
and half of the other days may be bad before bad becomes expected. Both follow from the data and the
thresholds alone, never from what some run said, so a rerun says the same (docs/decisions/0007).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from expectations.gx_runtime import import_gx
from expectations.report import Finding
from expectations.rules import no_finding, percent, row_count_is, text_literal
from expectations.surprise import Rate, Verdict, rate_surprise, volume_surprise
from expectations.thresholds import RecentPast, Thresholds

if TYPE_CHECKING:
    import great_expectations as gx

VOLUME = "volume"
BROKEN = "broken"
STATE = "state"
# Dimensions of the profile whose values are rates of bad lines; a share of each client's own lines for the last two.
BROKEN_REASONS = ("dead_letter", "invalid")
BROKEN_BY = ("broken_by_client_version", "broken_by_source")
COMPOSITION = ("feedback_type", "variant", "client_version", "source")

# What a value's change can mean, by which the suite judges it.
_BROKEN, _CLIENT, _HELD_BACK, _COMPOSITION, _VOLUME = "broken", "client", "held_back", "composition", "volume"
_HELD_BACK_STATES = ("duplicate", "requires_human_review", "pending")


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """A row of `marts.partition_profile`: `part` of `whole` lines of a stream have a value."""

    partition_date: date
    stream: str
    dimension: str
    value: str
    part: int
    whole: int

    def share_at_most(self, share: float) -> bool:
        """Counted exactly, as `rules.share_at_most` does it."""
        return self.part <= Decimal(str(share)) * self.whole


Profile = Mapping[date, Sequence[ProfileRow]]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A value of today beside the days before. `days` is 0 where they were too few to compare with."""

    row: ProfileRow
    kind: str
    days: int
    lines: int
    verdict: Verdict | None

    @property
    def change(self) -> float:
        """Lines more than expected, or fewer, below 0."""
        if self.verdict is None:
            return 0.0
        return self.row.part - self.verdict.expected * (1 if self.kind == _VOLUME else self.row.whole)

    @property
    def change_share(self) -> float:
        """The change as a share: of the stream's lines, so that a small client's is small; of the dimension's
        lines where shares of them are compared; of what was expected for a volume.
        """
        whole = self.row.whole if self.kind == _COMPOSITION else self.lines
        if self.kind == _VOLUME and self.verdict is not None:
            return self.change / self.verdict.expected
        return self.change / whole if whole else 0.0

    @property
    def finding(self) -> Finding:
        """What is shown of it."""
        row, verdict = self.row, self.verdict
        is_volume = self.kind == _VOLUME
        share = f" ({100 * row.part / row.whole:.2f} %)" if row.whole else ""
        return Finding(
            subject=f"{row.stream} {row.dimension} {row.value}",
            today=f"{row.part} lines" if is_volume else f"{row.part} of {row.whole}{share}",
            expected="nothing yet"
            if verdict is None
            else f"{verdict.low:.0f} to {verdict.high:.0f} lines"
            if is_volume
            else f"{100 * verdict.low:.2f} to {100 * verdict.high:.2f} %",
            days=self.days,
            surprise=0.0 if verdict is None else verdict.surprise,
        )


def history_from(day: date, limits: RecentPast) -> date:
    """The first day of a partition's recent past; the last is the day before it. None of them may be left."""
    return max(
        [day - timedelta(days=limits.history_days), *(normal for normal in limits.new_normal_from if normal <= day)]
    )


def compare(day: date, profile: Profile, thresholds: Thresholds) -> list[Comparison]:
    """Every value of the day's profile beside its recent past, the most surprising first.

    `profile` holds the rows of the day and of the days before it; others are not looked at.
    """
    first = history_from(day, thresholds.recent_past)
    by_stream: dict[str, dict[date, list[ProfileRow]]] = defaultdict(lambda: defaultdict(list))
    for d in (first + timedelta(days=n) for n in range((day - first).days + 1)):
        for row in profile.get(d, ()):
            by_stream[row.stream][d].append(row)
    compared = [
        comparison
        for of_day in by_stream.values()
        if day in of_day
        for comparison in _Stream(day, of_day, thresholds).comparisons()
    ]
    return sorted(
        compared,
        key=lambda c: (-(c.verdict.surprise if c.verdict else -1.0), c.row.stream, c.row.dimension, c.row.value),
    )


def query_of(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as rows for the suite; there is at least one, the volume."""
    rows = ", ".join(
        f"({text_literal(c.kind)}, {c.change!r}::double, {c.change_share!r}::double, "
        f"{c.finding.surprise!r}::double, {text_literal(c.finding.sentence)})"
        for c in comparisons
    )
    return f"select * from (values {rows}) as compared(kind, change, change_share, surprise, finding)"


def build_suite(*, day: date, comparisons: Sequence[Comparison], thresholds: Thresholds) -> "gx.ExpectationSuite":
    """What may not be among the rows of `query_of`. Which of two levels a rule is at is its GX severity."""
    limits = thresholds.recent_past
    share = percent(limits.block_share)
    days = max((c.days for c in comparisons), default=0)
    otherwise = (
        f"none in comparison with {days} days"
        if days
        else f"not compared: fewer than {limits.min_days} days with lines since {history_from(day, limits)}"
    )
    cure = (
        f"mend the day's landing files or, if it is to stay so, add {day} to recent_past.new_normal_from "
        "of the thresholds"
    )
    big = f"change >= {limits.min_lines}"
    blocks = f"surprise >= {limits.block_surprise!r} and {big} and change_share >= {limits.block_share!r}"
    surprises = f"surprise >= {limits.warn_surprise!r}"
    warns = f"{surprises} and {big} and change_share >= {limits.warn_share!r}"
    factor = limits.volume_factor
    volume_block = limits.block_volume_factor
    volume_blocks = (
        f"surprise >= {limits.block_surprise!r} and {big} and change_share >= {volume_block - 1!r}"
        if volume_block
        else "false"
    )

    def rule(sentence: str, *, where: str, block: bool) -> object:
        return no_finding(sentence, where=where, otherwise=otherwise, block=block, cure=cure if block else "")

    return import_gx().ExpectationSuite(
        name="recent_past",
        expectations=[
            row_count_is(len(comparisons), sentence=f"a row for each of the {len(comparisons)} values of the profile"),
            rule(
                f"no client breaks {share} of the lines more than it did",
                where=f"kind = '{_CLIENT}' and {blocks}",
                block=True,
            ),
            rule(
                f"no fault breaks {share} of the lines more than it did",
                where=f"kind = '{_BROKEN}' and {blocks}",
                block=True,
            ),
            *(
                [
                    rule(
                        f"there are not {volume_block:g} times the lines that there were",
                        where=f"kind = '{_VOLUME}' and {volume_blocks}",
                        block=True,
                    )
                ]
                if volume_block
                else []
            ),
            rule(
                "broken lines are as rare as they were",
                where=f"kind in ('{_CLIENT}', '{_BROKEN}') and {warns} and not ({blocks})",
                block=False,
            ),
            rule(
                "no more feedback is repeated, waits or is held back than was",
                where=f"kind = '{_HELD_BACK}' and {warns}",
                block=False,
            ),
            rule(
                "types, variants, clients and sources have the shares that they had",
                where=f"kind = '{_COMPOSITION}' and {surprises} and abs(change) >= {limits.min_lines} "
                f"and abs(change_share) >= {limits.composition_share!r}",
                block=False,
            ),
            rule(
                "there are as many lines as there were",
                where=f"kind = '{_VOLUME}' and {surprises} and abs(change) >= {limits.min_lines} and not "
                f"({volume_blocks}) and (change_share >= {factor - 1!r} or change_share <= {1 / factor - 1!r})",
                block=False,
            ),
        ],
    )


class _Stream:
    """One stream's day and the days before it that can be compared with."""

    def __init__(self, day: date, of_day: Mapping[date, Sequence[ProfileRow]], thresholds: Thresholds) -> None:
        self._limits = thresholds.recent_past
        self._weekday = day.weekday()
        self._today = of_day[day]
        before = {d: {(r.dimension, r.value): r for r in rows} for d, rows in sorted(of_day.items()) if d < day}
        self._days = {d: rows for d, rows in before.items() if _is_past_to_learn_from(rows, thresholds)}
        self._lines = sum(row.part for row in self._today if row.dimension == VOLUME)
        # Of each day, the lines that a dimension is counted of.
        self._wholes = {d: {dimension: row.whole for (dimension, _), row in rows.items()} for d, rows in before.items()}

    def comparisons(self) -> list[Comparison]:
        today = {(row.dimension, row.value): row for row in self._today}
        # A type or variant that is gone has no row of today.
        gone = {
            row.dimension: {key for rows in self._days.values() for key in rows if key[0] == row.dimension}
            for row in self._today
            if row.dimension in COMPOSITION
        }
        for dimension, keys in gone.items():
            like = next(row for row in self._today if row.dimension == dimension)
            for key in keys - today.keys():
                today[key] = ProfileRow(
                    partition_date=like.partition_date,
                    stream=like.stream,
                    dimension=dimension,
                    value=key[1],
                    part=0,
                    whole=like.whole,
                )
        return [self._comparison(row, kind) for row in today.values() if (kind := _kind(row))]

    def _comparison(self, row: ProfileRow, kind: str) -> Comparison:
        verdict, days = self._volume(row) if kind == _VOLUME else self._rate(row, kind)
        return Comparison(row=row, kind=kind, days=days if verdict else 0, lines=self._lines, verdict=verdict)

    def _volume(self, row: ProfileRow) -> tuple[Verdict | None, int]:
        days = [(rows[VOLUME, row.value].part, d.weekday()) for d, rows in self._days.items()]
        if len(days) < self._limits.min_days:
            return None, len(days)
        found = volume_surprise(row.part, self._weekday, days, range_surprise=self._limits.warn_surprise)
        return found, len(days)

    def _rate(self, row: ProfileRow, kind: str) -> tuple[Verdict | None, int]:
        days = self._own_rates(row) if kind == _CLIENT else self._rates(row.dimension, row.value)
        if kind == _CLIENT and len(days) < self._limits.min_days:
            # A client that is new is no reason to look away: it is held against what all clients do.
            days = self._rates(BROKEN, "lines")
        if len(days) < self._limits.min_days or not row.whole:
            return None, len(days)
        verdict = rate_surprise(
            Rate(row.part, row.whole, self._weekday),
            days,
            day_to_day=self._limits.day_to_day,
            rise_only=kind != _COMPOSITION,
            range_surprise=self._limits.warn_surprise,
        )
        return verdict, len(days)

    def _own_rates(self, row: ProfileRow) -> list[Rate]:
        found = ((d, rows.get((row.dimension, row.value))) for d, rows in self._days.items())
        return [Rate(r.part, r.whole, d.weekday()) for d, r in found if r is not None and r.whole]

    def _rates(self, dimension: str, value: str) -> list[Rate]:
        """A day without the value had none of it; a day without a line of the dimension says nothing."""
        rates = []
        for d, rows in self._days.items():
            row = rows.get((dimension, value))
            whole = self._wholes[d].get(dimension if dimension in COMPOSITION else VOLUME, 0)
            if whole:
                rates.append(Rate(row.part if row else 0, whole, d.weekday()))
        return rates


def _is_past_to_learn_from(rows: Mapping[tuple[str, str], ProfileRow], thresholds: Thresholds) -> bool:
    """Whether a day had lines and its stream was not as bad as the fixed thresholds block."""
    volume = next((row for (dimension, _), row in rows.items() if dimension == VOLUME), None)
    if volume is None or not volume.part:
        return False
    most = {"dead_letter": thresholds.max_dead_letter_share, "invalid": thresholds.max_invalid_share}
    return all(rows[STATE, state].share_at_most(share) for state, share in most.items() if (STATE, state) in rows)


def _kind(row: ProfileRow) -> str | None:
    """What a value's change means; None where nothing follows from it, such as more attributed feedback."""
    if row.dimension == VOLUME:
        return _VOLUME
    if row.dimension in BROKEN_BY:
        return _CLIENT
    if row.dimension in (BROKEN, *BROKEN_REASONS) or (row.dimension == STATE and row.value in BROKEN_REASONS):
        return _BROKEN
    if row.dimension in _HELD_BACK_STATES or (row.dimension == STATE and row.value in _HELD_BACK_STATES):
        return _HELD_BACK
    return _COMPOSITION if row.dimension in COMPOSITION else None
