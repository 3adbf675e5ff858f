"""Which texts are due to go: by the lifetimes of retention, or by what `privacy.yml` says is stored of them in the end.

Storage policies that look at feedback are applied here and not when a line is loaded, since nobody knows then what will
get some: once the attribution window of a day is over, it is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.ledger_metadata import ledger_metadata_by_key
from orchestration.lib.privacy.policy import load_policy
from orchestration.lib.retention.ledger_texts import ALL, NO_TEXTS, TEXTS, Going
from orchestration.lib.retention.policy import RetentionPolicy
from orchestration.lib.settings import Settings, SettingsError

# The requests whose texts stay: those that got feedback, with the earlier turns of their conversations and the other
# sides of preferences, without which what was said of them teaches nothing.
_JUDGED = """
    select request_id from intermediate.int_feedback_matches where inference_received_date = $day
    union select request_id from marts.conversation_turns where inference_received_date = $day
    union select request_id from marts.preference_sides where inference_received_date = $day
"""


@dataclass(frozen=True)
class Due:
    """A day of a stream that is to lose texts.

    `left` says which are left; with a `share`, it is of those without feedback that so many keep theirs.
    """

    stream: Stream
    day: date
    left: str
    share: float | None = None
    only_input: bool = False

    def going(self, warehouse: duckdb.DuckDBPyConnection) -> Going:
        """Whose texts go, by what the warehouse knows of feedback."""
        if self.share is None:
            return ALL
        judged = warehouse.execute(_JUDGED, {"day": self.day}).to_arrow_table()
        return sampled(self.share, judged, only_input=self.only_input)


def sampled(share: float, judged: pa.Table, *, only_input: bool = False) -> Going:
    """The texts of requests that are not `judged` but for a share of them, which a hash of their ids draws: the same on
    any machine, and a larger share has those of a smaller one.
    """
    place = f"('0x' || left(sha256('texts' || chr(31) || request_id), 13))::ubigint / {16**13}.0"
    return Going(
        f"dead_letter_reason is null and {place} >= {share!r} and request_id not in (select request_id from judged)",
        {"judged": judged},
        only_input,
    )


def due_texts(settings: Settings, policy: RetentionPolicy, today: date) -> Iterator[Due]:
    """The days that are over their time and have more texts than are to be left. Raises SettingsError."""
    window = settings.attribution_window_days
    for name, days in policy.texts.items():
        if days <= window:
            raise SettingsError(
                f"{settings.retention.name}: texts.{name} is {days}, and feedback, which rules compare with the texts, "
                f"may come for {window} days; write {window + 1} or more"
            )
    stored = load_policy(settings.privacy).of(INFERENCES.name)
    share = stored.text_share
    if share is not None and INFERENCES.name not in policy.landing:
        raise SettingsError(
            f"{settings.privacy.name}: streams.inferences.text is {stored.text_in_the_end}, and landing files, which "
            f"hold the texts, stay for good; write landing: {{inferences: {window}}} in {settings.retention.name}"
        )
    for stream in STREAMS:
        told = ledger_metadata_by_key(settings, stream, ("ledger_version", TEXTS))
        left = told[TEXTS]
        for day in sorted(told["ledger_version"]):
            age = (today - day).days
            if left.get(day) != NO_TEXTS and age > policy.texts.get(stream.name, age):
                yield Due(stream, day, NO_TEXTS)
            elif stream is INFERENCES and share is not None and age > window + 1:
                due = Due(stream, day, str(stored.text_in_the_end), share, stored.hashes_input)
                if left.get(day) not in (NO_TEXTS, due.left):
                    yield due
