"""The lines that are no event: how many for which reason, where, and how they are brought back."""

from dataclasses import dataclass
from datetime import date

from orchestration.contracts.reasons import DEAD_LETTER_REASONS
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse


@dataclass(frozen=True)
class Example:
    """One dead letter: where it is, what is wrong with it, and how it begins."""

    source_file: str
    source_line: int
    detail: str | None
    raw: str


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of a stream for one reason. `cure` says what the producer has to do."""

    stream: str
    reason: str
    lines: int
    first: date
    last: date
    cure: str
    examples: list[Example]


def dead_letters(
    settings: Settings,
    *,
    stream: str | None,
    reason: str | None,
    first: date | None,
    last: date | None,
    examples: int,
    raw_characters: int = 200,
) -> list[DeadLetters]:
    """The dead letters by stream and reason, the most frequent first, each with its first examples."""
    narrowed = (
        "(? is null or stream = ?) and (? is null or reason = ?) "
        "and received_date between coalesce(?, date '0001-01-01') and coalesce(?, date '9999-12-31')"
    )
    given = [stream, stream, reason, reason, first, last]
    with read_warehouse(settings) as connection:
        groups = connection.execute(
            "select stream, reason, count(*), min(received_date), max(received_date) from marts.dead_letter "
            f"where {narrowed} group by stream, reason order by 3 desc, 1, 2",
            given,
        ).fetchall()
        shown = connection.execute(
            f"""
            select stream, reason, source_file, source_line, detail, left(raw, {raw_characters})
            from marts.dead_letter
            where {narrowed}
            qualify row_number() over (
                partition by stream, reason order by received_date, source_file, source_line
            ) <= ?
            order by received_date, source_file, source_line
            """,
            [*given, examples],
        ).fetchall()
    return [
        DeadLetters(
            stream=of_stream,
            reason=of_reason,
            lines=lines,
            first=first_day,
            last=last_day,
            cure=DEAD_LETTER_REASONS[of_reason],
            examples=[Example(*row[2:]) for row in shown if row[:2] == (of_stream, of_reason)],
        )
        for of_stream, of_reason, lines, first_day, last_day in groups
    ]


def dead_letters_text(groups: list[DeadLetters]) -> str:
    """What `attribution dead-letters` prints."""
    if not groups:
        return "no dead letters"
    parts = []
    for group in groups:
        days = f"{group.first}" if group.first == group.last else f"{group.first} to {group.last}"
        lines = [f"{group.lines:,} {group.stream} lines are {group.reason} ({days})", f"  {group.cure}"]
        for example in group.examples:
            place = f"{example.source_file}:{example.source_line}"
            lines.append(f"  {place}" + (f"  {example.detail}" if example.detail else ""))
            lines.append(f"    {example.raw!r}" if not example.raw.isprintable() else f"    {example.raw}")
        parts.append("\n".join(lines))
    first, last = min(group.first for group in groups), max(group.last for group in groups)
    again = (
        "What a fix makes readable leaves dead letter when its days are run again: "
        f"attribution run --from {first} --to {last}"
    )
    return "\n\n".join([*parts, again])
