"""Subjects: what is kept of whom an erasure is about, so that later lines of theirs are known without their id.

A keyed hash under the pseudonyms' keys, one after the other as these are. Without keys it is a plain hash under a
name of its own: whoever can list all ids finds the one. No I/O.
"""

import hashlib
import re
from dataclasses import dataclass

import pyarrow as pa

from orchestration.lib.privacy.pseudonyms import Pseudonyms

PREFIX = "subject_"
_HEX = 32
_DOMAIN = "feedback-attribution erasure"
_SUBJECT = re.compile(rf"{PREFIX}[0-9a-f]{{{_HEX}}}")


@dataclass(frozen=True)
class Subjects:
    """Makes subjects of raw user ids."""

    pseudonyms: Pseudonyms

    def generations(self, user_id: str) -> list[str]:
        """The subject as no key, the first, the first two, … make it: an erasure knows the keys of its day."""
        found = [hashlib.sha256(f"{_DOMAIN}\x1f{user_id}".encode("utf-8", "surrogatepass")).hexdigest()]
        for number in range(len(self.pseudonyms.keys)):
            found.append(Pseudonyms(self.pseudonyms.keys[number : number + 1]).stored(found[-1]))
        return [PREFIX + one.removeprefix("user_")[:_HEX] for one in found]

    def of(self, user_id: str) -> str:
        """The subject of a raw user id; what is a subject already stays what it is."""
        return user_id if is_subject(user_id) else self.generations(user_id)[-1]


def is_subject(text: str) -> bool:
    return _SUBJECT.fullmatch(text) is not None


def erasure_id(subject: str, source_file: str, source_line: int) -> str:
    """Names an erasure by whom and where: it is the same however often its file is loaded."""
    return "er_" + hashlib.sha256(f"{subject}\n{source_file}\n{source_line}".encode()).hexdigest()[:16]


def with_subjects(table: pa.Table, subjects: Subjects) -> pa.Table:
    """Rows of the erasures stream as the ledger keeps them: no raw id, and of a dead letter no text."""
    users = table["subject"].to_pylist()
    kept = {
        "subject": [user and subjects.of(user) for user in users],
        "reason": [
            reason and user and reason.replace(user, "<ERASED>")
            for user, reason in zip(users, table["reason"].to_pylist(), strict=True)
        ],
        "raw": [raw and "<not kept>" for raw in table["raw"].to_pylist()],
    }
    for name, values in kept.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return table
