"""Masks one text: what the recognizers find in it is replaced as the policy says, and counted."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

from orchestration.lib.privacy.placeholders import Placeholders
from orchestration.lib.privacy.policy import Action, FieldPolicy
from orchestration.lib.privacy.recognizers import RECOGNIZERS, Found, Text
from orchestration.lib.privacy.recognizers.base import Hint

# Who finds names and places, if anybody: texts in, found out.
Model = Callable[[str], Iterable[Found]]
# A placeholder is no personal data, whatever its digits look like.
_PLACEHOLDER = re.compile(r"<[A-Z_]{2,16}_[0-9a-f]{1,16}>|<[A-Z_]{2,16}_DROPPED>")


@dataclass
class TextMasker:
    """Masks texts of one chunk of lines; `counts` are what was found, by kind and action."""

    placeholders: Placeholders
    model: Model | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def mask(self, text: str, *, key: str, policy: FieldPolicy, hints: Set[Hint]) -> str:
        """The text as it may be stored."""
        found = [one for one in self._found(text, key, hints) if policy.action(one.kind) is not Action.KEEP]
        if not found:
            return text
        for one in found:
            self.counts[one.kind.value] += 1
        dropped = next((one.kind for one in found if policy.action(one.kind) is Action.DROP), None)
        if dropped is not None:
            return f"<{dropped.upper()}_DROPPED>"
        parts, at = [], 0
        for one in found:
            make = self.placeholders.masked if policy.action(one.kind) is Action.MASK else self.placeholders.hashed
            parts += [text[at : one.start], make(one.kind, text[one.start : one.end])]
            at = one.end
        return "".join([*parts, text[at:]])

    def _found(self, text: str, key: str, hints: Set[Hint]) -> list[Found]:
        found = _recognized(text, key, hints) if hints else []
        return without_overlaps([*found, *self.model(text)] if self.model is not None else found)


def find_all(text: str, *, key: str, policy: FieldPolicy, hints: Set[Hint]) -> list[Found]:
    """What the recognizers find in a text and the policy does not keep, in the order of the text."""
    found = without_overlaps(_recognized(text, key, hints))
    return [one for one in found if policy.action(one.kind) is not Action.KEEP]


def _recognized(text: str, key: str, hints: Set[Hint]) -> list[Found]:
    looked_at = Text(text)
    found = [
        (recognizer.rank, one)
        for hint in hints
        for recognizer in (_MARKED[hint] if looked_at.has_none(hint) else _OF_HINT[hint])
        for one in recognizer.find(looked_at, key)
    ]
    if not found:
        return []
    taken = [(m.start(), m.end()) for m in _PLACEHOLDER.finditer(text)] if "<" in text else []
    found.sort(key=lambda ranked: (ranked[0], ranked[1].start))
    return [one for _, one in found if not any(one.start < end and start < one.end for start, end in taken)]


def without_overlaps(found: Iterable[Found]) -> list[Found]:
    """In the order of the text; of two that overlap the one that was found first."""
    kept: list[Found] = []
    for one in found:
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


_OF_HINT = {hint: tuple(r for r in RECOGNIZERS if r.hint is hint) for hint in Hint}
_MARKED = {hint: tuple(r for r in of if r.marks) for hint, of in _OF_HINT.items()}
