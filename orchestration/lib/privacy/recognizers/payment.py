"""Payment cards (Luhn and the issuers' prefixes) and IBANs (country's structure and mod 97)."""

import re
from collections.abc import Iterator

from stdnum import iban, luhn

from orchestration.lib.privacy.recognizers.base import ENDS, Found, Hint, Kind, Recognizer, Text, digits_of

_CARD = re.compile(
    rf"(?<![\w.-])(?:[2-6]\d{{3}}(?P<sep>[ \u00a0-])\d{{4}}(?P=sep)\d{{4}}(?P=sep)\d{{1,4}}(?:(?P=sep)\d{{3}})?"
    rf"|3\d{{3}}[ -]\d{{6}}[ -]\d{{4,5}}|[2-6]\d{{12,18}}){ENDS}(?!-\d)"
)
# Prefixes and lengths of the networks: Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners, Maestro.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12,15}|62\d{14,17}|35(?:2[89]|[3-8]\d)\d{12,15}|3(?:0[0-5]|09|[689]\d)\d{11}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
SHORTEST_IBAN = 15


def _is_card(match: re.Match[str]) -> bool:
    number = digits_of(match[0])
    return _ISSUED.fullmatch(number) is not None and bool(luhn.is_valid(number))


class _Iban(Recognizer):
    """An IBAN ends where its country says, which may be before the next word."""

    def find(self, text: Text, key: str) -> Iterator[Found]:
        for match in text.matches(self):
            if end := _end_of_iban(match):
                yield Found(match.start(), end, self.kind)


def _end_of_iban(match: re.Match[str]) -> int | None:
    text = match.string
    for end in range(match.end(), match.start() + SHORTEST_IBAN - 1, -1):
        if text[end : end + 1].isalnum() or not text[end - 1].isalnum():
            continue
        number = re.sub(r"[^A-Za-z0-9]", "", text[match.start() : end]).upper()
        if _is_97(number) and iban.is_valid(number, check_country=False):
            return end
    return None


def _is_97(number: str) -> bool:
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1


PAYMENT: tuple[Recognizer, ...] = (
    # First: there may be a card's number within an IBAN's.
    _Iban(kind=Kind.IBAN, hint=Hint.CODE, pattern=_IBAN),
    Recognizer(kind=Kind.CARD, hint=Hint.NUMBER, pattern=_CARD, check=_is_card),
)
