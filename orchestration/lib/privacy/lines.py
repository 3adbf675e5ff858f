"""Rewrites one landed line: its texts masked, its user ids as tokens, and every other byte as it was.

Works on the line's JSON literals and not on a parsed document, so that numbers, the order of keys and unknown fields
come through as they were written, and so that a line that is no JSON is rewritten too. This is the only place where
events are handled one by one in Python: `guard.py` brings only those that may hold something.
"""

import json
import re
from collections.abc import Set
from dataclasses import dataclass, field
from functools import lru_cache

from orchestration.contracts.fields import Stream
from orchestration.lib.privacy.json_literals import (
    Path,
    decoded,
    encoded,
    literals,
    path_of,
    shortened,
    without_logprobs,
)
from orchestration.lib.privacy.policy import Action, FieldPolicy, PrivacyPolicy
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.privacy.recognizers.base import Hint
from orchestration.lib.privacy.recognizers.secrets import is_secret_key
from orchestration.lib.privacy.text_masker import TextMasker
from orchestration.lib.privacy.untouched import untouched_paths

_ADDRESS = re.compile(r"<EMAIL_[0-9a-f]{16}>")
_PLAIN_KEY = re.compile(r'"[A-Za-z_]{1,40}"')
# A person's id of four characters is a word of half the texts.
SHORTEST_ID_IN_TEXT = 5
# A password under its key has six characters; a word alone is none.
SHORTEST_PERSONAL_DATA = 6
_ALL = frozenset(Hint)
_HASHED = FieldPolicy(Action.HASH)
_DIGITS_OF_A_CARD = 7


@dataclass
class LineRewriter:
    """Rewrites lines of one stream by the policy; `masker.counts` says what was found, `tokens` which ids."""

    stream: Stream
    policy: PrivacyPolicy
    pseudonyms: Pseudonyms
    masker: TextMasker
    tokens: dict[str, str] = field(default_factory=dict)
    _untouched: frozenset[Path] = field(init=False)
    _first_names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._untouched = untouched_paths(self.stream)
        self._first_names = frozenset(name[0] for name in self.policy.user_id_fields)

    def rewrite(self, line: bytes, hints: Set[Hint], *, has_tokens: bool = False) -> bytes:
        """The line as it may be stored; bytes that are no UTF-8 stay as they are. One in which user ids are tokens
        already `has_tokens`.
        """
        text = line.decode("utf-8", "surrogateescape")
        if "\0" in text:
            # UTF-16 read as bytes: without the zeros it can be read, and so can what is in it. With one it is no JSON.
            legible = text.replace("\0", "")
            new = self._rewritten(legible, _ALL, has_tokens)
            text = text if new == legible else f"{new}\0"
        else:
            text = self._rewritten(text, _ALL if "\\u00" in text else hints, has_tokens)
        return text.encode("utf-8", "surrogateescape")

    def _rewritten(self, text: str, hints: Set[Hint], has_tokens: bool) -> str:
        is_json = _is_json(text)
        if is_json and not self.policy.of(self.stream.name).keeps_logprobs:
            text = without_logprobs(text)
        ids = {} if has_tokens else self.ids_of(text)
        one = RewrittenLine(self, hints if is_json or not hints else _ALL, ids)
        text = one.rewritten(text if is_json or has_tokens else self._plainly_named(text))
        if not is_json:
            # What stands outside of its literals, or across them, is text as well.
            text = one.text(text, key="", policy=self.policy.of(self.stream.name).masking)
        return text

    def _plainly_named(self, text: str) -> str:
        """A line that is no JSON with the ids as tokens that stand after a field's name: `user_id=…`."""
        if not self.pseudonyms.keys:
            return text
        names = "|".join(re.escape(".".join(name)) for name in self.policy.user_id_fields)
        named = re.compile(rf"((?<!\w)(?:{names})\s*[=:]\s*'?)([^\s\"'{{}}\[\],;&]+)")
        for found in {match[2] for match in named.finditer(text)}:
            self.tokens[found] = self.pseudonyms.stored(found)
            if len(found) >= SHORTEST_ID_IN_TEXT:
                text = re.sub(rf"(?<!\w){re.escape(found)}(?!\w)", self.tokens[found], text)
        return named.sub(lambda m: m[1] + (m[2] if m[2] in self.tokens.values() else self.tokens[m[2]]), text)

    def is_user_id(self, path: Path) -> bool:
        """Whether a user's id stands at a path: under a name that the policy has, however deep."""
        if self._first_names.isdisjoint(path):
            return False
        return any(path[at : at + len(name)] == name for name in self.policy.user_id_fields for at in range(len(path)))

    def is_untouched(self, path: Path) -> bool:
        return path in self._untouched

    def ids_of(self, *texts: str, user_id: str | None = None) -> dict[str, str]:
        """The user ids of a line, each with its token; none without keys."""
        if not self.pseudonyms.keys:
            return {}
        found = [user_id] if user_id else []
        for text in texts:
            for keys, literal, _, _, is_key in literals(text):
                if not is_key and self.is_user_id(path_of(keys, self.stream.envelope)):
                    found.append(decoded(literal)[0] if literal[0] == '"' else literal)
        tokens = {one: self.pseudonyms.stored(one) for one in found if one}
        self.tokens.update(tokens)
        return tokens


@dataclass
class RewrittenLine:
    """One line under way: what may be in it, and its user ids with their tokens."""

    of: LineRewriter
    hints: Set[Hint]
    ids: dict[str, str]

    def __post_init__(self) -> None:
        long = sorted((one for one in self.ids if len(one) >= SHORTEST_ID_IN_TEXT), key=lambda one: (-len(one), one))
        self.shortest = 0 if self.ids or self.of.masker.model is not None else SHORTEST_PERSONAL_DATA
        self._words = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in long)) if long else None

    def rewritten(self, text: str) -> str:
        parts, at = [], 0
        for keys, literal, start, end, is_key in literals(text):
            if len(literal) <= self.shortest:
                continue
            new = self._key(literal) if is_key else self._value(path_of(keys, self.of.stream.envelope), literal)
            if new != literal:
                parts += [text[at:start], new]
                at = end
        return "".join([*parts, text[at:]])

    def text(self, text: str, *, key: str, policy: FieldPolicy) -> str:
        if self._words is not None:
            text = self._words.sub(lambda match: self.ids[match[0]], text)
        return self.of.masker.mask(text, key=key, policy=policy, hints=self.hints)

    def _key(self, literal: str) -> str:
        if _is_plain_key(literal) and literal[1:-1] not in self.ids:
            return literal
        text, _ = decoded(literal)
        policy = self.of.policy.of(self.of.stream.name).masking
        masked = self.ids.get(text) or self.text(text, key="", policy=_without_drop(policy))
        return literal if masked == text else encoded(masked, literal)

    def _value(self, path: Path, literal: str) -> str:
        key = path[-1] if path else ""
        if literal[0] != '"':
            return self._number(path, literal, key)
        text, is_whole = decoded(literal)
        if self.shortest and text.isalpha() and not is_secret_key(key):
            return literal
        if self.of.is_user_id(path) and (not self.ids or text in self.ids):
            new = self.ids.get(text, text)
        elif text in self.ids:
            new = self.ids[text]
        elif self.of.is_untouched(path):
            new = self._joined(text)
        else:
            stored = self.of.policy.of(self.of.stream.name)
            new = shortened(self.text(text, key=key, policy=stored.of(path)), stored.text_characters)
        return literal if new == text else encoded(new, literal, is_whole=is_whole)

    def _number(self, path: Path, literal: str, key: str) -> str:
        """A bare number: a user's id becomes another number, so that it stays of the type that it is refused for."""
        if self.of.is_user_id(path) and self.of.pseudonyms.keys:
            return self.of.pseudonyms.stored_number(literal)
        if literal in self.ids and len(literal) >= SHORTEST_ID_IN_TEXT:
            return self.of.pseudonyms.stored_number(literal)
        if len(literal) < _DIGITS_OF_A_CARD or self.of.is_untouched(path):
            return literal
        new = self.text(literal, key=key, policy=self.of.policy.of(self.of.stream.name).of(path))
        return literal if new == literal else json.dumps(new)

    def _joined(self, text: str) -> str:
        """An id or a word: only what can not be mistaken, and hashed, so that it still joins."""
        if self._words is not None:
            text = self._words.sub(lambda match: self.ids[match[0]], text)
        if not self.hints or len(text) < SHORTEST_ID_IN_TEXT:
            return text
        hints = _ALL if text[0] == "+" else self.hints & {Hint.AT, Hint.SECRET}
        if not hints:
            return text
        new = self.of.masker.mask(text, key="", policy=_HASHED, hints=hints)
        # A session that is called by an address joins whether or not its line says that this is the user's id.
        is_address = self.of.pseudonyms.keys and _ADDRESS.fullmatch(new)
        return self.of.pseudonyms.stored(text) if is_address else new


@lru_cache
def _is_plain_key(literal: str) -> bool:
    """The same keys are on every line."""
    return _PLAIN_KEY.fullmatch(literal) is not None


def _without_drop(policy: FieldPolicy) -> FieldPolicy:
    """A key that is dropped would take its value along: it is masked."""

    def milder(action: Action) -> Action:
        return Action.MASK if action is Action.DROP else action

    return FieldPolicy(milder(policy.rest), {kind: milder(action) for kind, action in policy.actions.items()})


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
