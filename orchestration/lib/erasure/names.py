"""How a person is named in a text: their id, and the ids of what they asked and said. Decides on bytes, no I/O."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby

ERASED_NAME = b"<ERASED>"
# A shorter one would be found in any number and word.
SHORTEST = 6
# RE2 compiles so many characters of alternatives into one automaton, which reads a text once however many they are. Of
# 14,000 (400 random UUIDs) it has no room for one any more, and reads 9 MB/s where it read 350.
_AT_ONCE = 9_000
# A string of a line of JSON, or a number with all that is of it.
_LITERAL = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^\s"{}\[\],:]+')


@dataclass(frozen=True)
class Names:
    """The ids that may stand in no text any more."""

    ids: tuple[str, ...]

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Names":
        return cls(tuple(sorted({one for one in ids if len(one) >= SHORTEST})))

    @cached_property
    def digest(self) -> str:
        """Tells these names from others."""
        return hashlib.sha256("\n".join(self.ids).encode("utf-8", "surrogatepass")).hexdigest()

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
        ends = accumulate(len(one) for one in self.spellings)
        groups = groupby(zip(self.spellings, ends, strict=True), key=lambda one: one[1] // _AT_ONCE)
        return ["|".join(re.escape(one) for one, _ in group) for _, group in groups]

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
        return _LITERAL.sub(self._without, line) if plain != line and _is_json(line) else plain

    def _without(self, literal: re.Match[bytes]) -> bytes:
        """A literal without the names; a number that has one is a string then."""
        plain = self._whole.sub(ERASED_NAME, literal[0]) if self._whole else literal[0]
        return plain if plain == literal[0] or plain.startswith(b'"') else b'"%b"' % ERASED_NAME

    def scrubbed_text(self, text: str) -> str:
        return self.scrubbed(text.encode()).decode()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    except RecursionError:
        return True  # as far as it was read it is, and DuckDB reads deeper ones
    return True
