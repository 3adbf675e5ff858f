"""The vocabulary of recognizers: kinds of personal data, patterns, and the words that vouch for a bare number."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class Kind(StrEnum):
    """A kind of personal data, as the policy names it; its placeholder is the name in capitals."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    IP = "ip"
    NATIONAL_ID = "national_id"
    SECRET = "secret"
    NAME = "name"
    PLACE = "place"


class Hint(StrEnum):
    """What a line must hold for a recognizer to find anything in it; `prefilter.py` has the expression of each."""

    AT = "at"
    ADDRESS = "address"
    NUMBER = "number"
    CODE = "code"
    SECRET = "secret"


@dataclass(frozen=True)
class Found:
    """Personal data in a text, from `start` to before `end`."""

    start: int
    end: int
    kind: Kind


# How far before a match a word still vouches for it, in characters.
VOUCHING_DISTANCE = 40
# No character of the number's own kind around it: what is part of a longer word or decimal is something else.
ALONE = r"(?<![\w.])"
ENDS = r"(?![\w]|[.,]\d)"


@dataclass(frozen=True, kw_only=True)
class Recognizer:
    """Finds one kind. Group `it` of the pattern is what is found, or the whole match.

    `marks` are texts (in lower case, unless `is_exact`) of which one must be there, cheaper to look for than the
    pattern, which is only tried from so much before one (`reach`) to so much after it. `check` judges a
    match that needs no word beside it, `check_vouched` one that has a word of `words` shortly before it or in its
    key; without `check` only such a match counts. Of two that overlap the one of the lower `rank` counts.
    """

    kind: Kind
    hint: Hint
    pattern: re.Pattern[str]
    marks: tuple[str, ...] = ()
    reach: tuple[int, int] = (0, 0)
    is_exact: bool = False
    check: Callable[[re.Match[str]], bool] | None = None
    words: re.Pattern[str] | None = None
    check_vouched: Callable[[re.Match[str]], bool] | None = None
    rank: int = 0

    def find(self, text: "Text", key: str) -> Iterator[Found]:
        """What there is of the kind in a text that stands under a key of its line (empty for none)."""
        for match in text.matches(self):
            if self._counts(match, key):
                group = "it" if "it" in self.pattern.groupindex and match["it"] is not None else 0
                yield Found(match.start(group), match.end(group), self.kind)

    def _counts(self, match: re.Match[str], key: str) -> bool:
        if self.check is not None and self.check(match):
            return True
        if self.words is None:
            return False
        before = match.string[max(0, match.start() - VOUCHING_DISTANCE) : match.start()]
        if not (self.words.search(before) or (key and self.words.search(key.replace("_", " ")))):
            return False
        return self.check_vouched is None or self.check_vouched(match)


def always(match: re.Match[str]) -> bool:
    """The shape alone is proof enough."""
    return True


def digits_of(text: str) -> str:
    """The digits of a number, without what is written between them."""
    return "".join(c for c in text if c.isdecimal())


def words(*alternatives: str) -> re.Pattern[str]:
    """Words that vouch for a number; each may be a regular expression."""
    return re.compile(rf"(?<![^\W\d_])(?:{'|'.join(alternatives)})(?![^\W\d_])", re.IGNORECASE)


# Where a hint's recognizers look: at digits with little between them, with room for what belongs to them on either
# side; and at which of the places there a match can begin.
_AROUND: dict[Hint, tuple[re.Pattern[str], int, int]] = {
    Hint.NUMBER: (re.compile(r"\d(?:\W{0,3}?\d){6,}"), 3, 12),
    Hint.CODE: (re.compile(r"\d(?:.{0,6}?\d){3,}", re.DOTALL), 8, 12),
    Hint.ADDRESS: (re.compile(r"\d\.\d{1,3}\.\d|[0-9A-Fa-f]::|(?:[0-9A-Fa-f]{1,4}:){7}"), 48, 48),
}
_STARTS: dict[Hint, re.Pattern[str]] = {
    Hint.NUMBER: re.compile(r"(?<![\w.])[+(\d]"),
    Hint.CODE: re.compile(r"(?<![\w.-])[A-Za-z\d]"),
    Hint.ADDRESS: re.compile(r"(?<![\w:.])[0-9A-Fa-f]"),
}
_NO_NUMBER = re.compile(r"\d{1,3}\.\d{5,}|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?")


class Text:
    """A text with the places where something may be, found once for all recognizers: trying each pattern at each
    character would take milliseconds a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: dict[Hint, Sequence[int]] = {}

    @cached_property
    def _lower(self) -> str:
        lower = self.text.lower()
        if len(lower) != len(self.text):  # some letters get longer
            lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in self.text)
        return lower

    def matches(self, recognizer: Recognizer) -> Iterator[re.Match[str]]:
        """The matches of a recognizer's pattern, around its marks or where a number begins; they may overlap."""
        if recognizer.marks:
            for start, end in self._marked(recognizer):
                yield from recognizer.pattern.finditer(self.text, start, end)
        elif recognizer.hint in _STARTS:
            for start in self.starts(recognizer.hint):
                if match := recognizer.pattern.match(self.text, start):
                    yield match
        else:
            yield from recognizer.pattern.finditer(self.text)

    def has_none(self, hint: Hint) -> bool:
        """Whether only recognizers with marks have a chance."""
        return hint in _STARTS and not self.starts(hint)

    def starts(self, hint: Hint) -> Sequence[int]:
        """Where a number may begin."""
        if hint not in self._starts:
            pattern, before, after = _AROUND[hint]
            spans = [
                (max(0, m.start() - before), m.end() + after)
                for m in pattern.finditer(self.text)
                if not _NO_NUMBER.fullmatch(m[0])
            ]
            self._starts[hint] = [
                m.start() for start, end in _merged(spans) for m in _STARTS[hint].finditer(self.text, start, end)
            ]
        return self._starts[hint]

    def _marked(self, recognizer: Recognizer) -> Sequence[tuple[int, int]]:
        text = self.text if recognizer.is_exact else self._lower
        before, after = recognizer.reach
        spans = []
        for mark in recognizer.marks:
            at = text.find(mark)
            while at >= 0:
                spans.append((max(0, at - before), min(len(text), at + len(mark) + after)))
                at = text.find(mark, at + 1)
        return _merged(sorted(spans))


def _merged(spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
