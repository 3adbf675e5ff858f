"""Keyed tokens in place of user ids: whose key one has not, of its tokens one can not tell the user.

A token is the HMAC-SHA256 of the id. Keys are a chain, oldest first: each further key is applied to the token
of those before it, so that a key can be added (a rotation) and tokens brought forward without the ids.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.lib.settings import Settings

PREFIX = "user_"
TOKEN_HEX = 32
# Numbers that stand for ids have 16 digits and are below 2^53.
NUMBER_FROM = 10**15


@dataclass(frozen=True)
class Pseudonyms:
    """The chain of keys, or none: then ids stay as they are."""

    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Pseudonyms":
        return cls(tuple(key.reveal().encode() for key in settings.pseudonym_keys))

    def stored(self, user_id: str) -> str:
        """What stands in the ledger, and everywhere after it, for a raw user id."""
        return self.forward(user_id, since=0)

    def forward(self, stored: str, *, since: int) -> str:
        """Brings what the first `since` keys made to what all of them make."""
        for key in self.keys[since:]:
            digest = _digest(key, stored)
            stored = f"{PREFIX}{digest[:TOKEN_HEX]}"
        return stored

    def stored_number(self, user_id: str) -> str:
        """What stands for an id that was sent as a number: another number, which every reader of JSON reads exactly."""
        return self.forward_number(user_id, since=0)

    def forward_number(self, stored: str, *, since: int) -> str:
        """As `forward`, for the id as a number."""
        for key in self.keys[since:]:
            stored = str(NUMBER_FROM + int(_digest(key, stored)[:12], 16))
        return stored

    @property
    def fingerprints(self) -> Sequence[str]:
        """A short name of each key, which tells nothing of it."""
        return [hmac.digest(key, b"feedback-attribution key", hashlib.sha256).hex()[:12] for key in self.keys]


def _digest(key: bytes, text: str) -> str:
    """Of any text: who sends half a surrogate pair, or bytes that are no UTF-8, holds no day up."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
