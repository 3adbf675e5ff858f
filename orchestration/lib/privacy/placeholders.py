"""What stands for personal data in a text: `<EMAIL_4711>`, the same for the same value wherever it is said.

The digits are of a keyed hash of the value, so that a correction of Tuesday still aligns with the answer of Monday;
four of them are enough to tell the addresses of a conversation apart, and too few to find a person by.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass

from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.privacy.recognizers import Kind

# Without a key of its own a platform has this one, which everybody knows: then `hash` can be undone by who guesses.
PUBLIC_KEY = b"feedback-attribution"
HASH_HEX = 16
_HASHED = re.compile(r"<(?P<kind>[A-Z_]{2,16})_(?P<hash>[0-9a-f]{16})>")
_NOT_WRITTEN = re.compile(r"[\s().\-/\u00a0\u202f\u2011\u2013]")


@dataclass(frozen=True)
class Placeholders:
    """Makes placeholders with the platform's keys."""

    pseudonyms: Pseudonyms

    def masked(self, kind: Kind, value: str) -> str:
        """The typed placeholder with the four digits of a value. A key that is added later does not change it."""
        key = self.pseudonyms.keys[0] if self.pseudonyms.keys else PUBLIC_KEY
        number = int.from_bytes(_digest(key, f"mask {kind} {normal(kind, value)}")[:8], "big")
        return f"<{kind.upper()}_{1000 + number % 9000}>"

    def hashed(self, kind: Kind, value: str) -> str:
        """The typed placeholder with enough of a hash to join on; all keys are in it, as in a pseudonym."""
        first, *later = self.pseudonyms.keys or (PUBLIC_KEY,)
        found = _digest(first, f"hash {kind} {normal(kind, value)}").hex()[:HASH_HEX]
        for key in later:
            found = _next(key, found)
        return f"<{kind.upper()}_{found}>"

    def forward(self, text: str, *, since: int) -> str:
        """Brings the hashes that the first `since` keys made (at least one) to what all of them make."""

        def brought(match: re.Match[str]) -> str:
            found = match["hash"]
            for key in self.pseudonyms.keys[since:]:
                found = _next(key, found)
            return f"<{match['kind']}_{found}>"

        return _HASHED.sub(brought, text)


def normal(kind: Kind, value: str) -> str:
    """The value without the liberties that people take in writing it."""
    if kind in (Kind.PHONE, Kind.CARD, Kind.IBAN, Kind.NATIONAL_ID):
        return _NOT_WRITTEN.sub("", value).upper()
    return value if kind is Kind.SECRET else value.casefold()


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _next(key: bytes, found: str) -> str:
    return _digest(key, found).hex()[:HASH_HEX]
