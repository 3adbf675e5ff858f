"""How a person is named in a text: their id, and the ids of what they asked and said. Decides on bytes, no I/O."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

ERASED_NAME = b"<ERASED>"
# A shorter one would be found in any number and word.
SHORTEST = 6
# RE2 compiles so many alternatives into one automaton, which reads a text once however many they are.
_AT_ONCE = 500


@dataclass(frozen=True)
class Names:
    """The ids that may stand in no text any more."""

    ids: tuple[str, ...]

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Names":
        return cls(tuple(sorted({one for one in ids if len(one) >= SHORTEST})))

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """Each id as UTF-8, and as JSON writes it with and without other letters than ASCII's."""
        return tuple(
            sorted(
                {
                    spelling
                    for one in self.ids
                    for spelling in (one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1])
                }
            )
        )

    @cached_property
    def patterns(self) -> list[str]:
        """RE2 patterns of which one matches wherever an id stands, also within a longer word."""
        escaped = [re.escape(one) for one in self.spellings]
        return ["|".join(escaped[n : n + _AT_ONCE]) for n in range(0, len(escaped), _AT_ONCE)]

    @cached_property
    def _whole(self) -> re.Pattern[bytes] | None:
        # The longest first: an id may be the beginning of another.
        spelled = sorted(self.spellings, key=lambda one: (-len(one), one))
        if not spelled:
            return None
        return re.compile(rb"(?<![\w-])(?:" + b"|".join(re.escape(s.encode()) for s in spelled) + rb")(?![\w-])")

    def are_in(self, text: bytes, *, is_first: bool = True, is_last: bool = True) -> bool:
        """Whether an id stands in a text by itself: `user-1` is not in `user-12`.

        Of a part of a text it is not told what stands before its first part and after its last: there, an id is none.
        """
        matches = self._whole.finditer(text) if self._whole else ()
        return any((is_first or m.start() > 0) and (is_last or m.end() < len(text)) for m in matches)

    def scrubbed(self, line: bytes) -> bytes:
        """A line of another person without the names; JSON stays JSON, also where an id was a number."""
        if self._whole is None:
            return line
        plain = self._whole.sub(ERASED_NAME, line)
        if plain == line or not _is_json(line) or _is_json(plain):
            return plain
        return json.dumps(self._without(json.loads(line)), ensure_ascii=False).encode()

    def _without(self, value: Any) -> Any:
        """A JSON value of any depth without the names, where one of them is a number."""
        if isinstance(value, dict):
            return {self.scrubbed_text(key): self._without(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._without(one) for one in value]
        if isinstance(value, str):
            return self.scrubbed_text(value)
        is_name = type(value) is int and str(value) in self.ids
        return ERASED_NAME.decode() if is_name else value

    def scrubbed_text(self, text: str) -> str:
        return self.scrubbed(text.encode()).decode()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
