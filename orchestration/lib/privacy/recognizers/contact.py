"""E-mail addresses, telephone numbers and IP addresses."""

import ipaddress
import re

import phonenumbers

from orchestration.lib.privacy.recognizers.base import ENDS, Hint, Kind, Recognizer, always, digits_of, words

# -- e-mail -----------------------------------------------------------------------------------------------

_EMAIL = re.compile(
    r"(?<![\w%+@])(?P<it>(?P<local>[\w+][\w.'%+-]{0,63}?)(?:@|%40|&#64;)"
    r"(?P<domain>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?P<top>[^\W\d_]{2,24}|xn--[a-z0-9-]+)))(?![\w@(]|-\w)"
)
_SPELLED_OUT = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s?(?:\[\s?at\s?\]|\(\s?at\s?\)|\s[aA][tT]\s)\s?[\w-]+"
    r"(?:\s?(?:\[\s?dot\s?\]|\(\s?dot\s?\)|\s[dD][oO][tT]\s)\s?[\w-]+)+",
    re.IGNORECASE,
)
# What stands after the point in code and names of files, and is no domain: `logo@2x.png`, `q@k.transpose`.
_NO_DOMAIN = frozenset(
    (
        *("png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "mjs", "ts", "tsx", "jsx", "json", "html", "txt"),
        *("yaml", "yml", "toml", "pdf", "class", "service", "socket", "timer", "target", "mount", "transpose", "dot"),
        *("sum", "mean", "shape", "reshape", "flatten", "inverse", "conj"),
    )
)


def _is_email(match: re.Match[str]) -> bool:
    local, top = match["local"], match["top"].lower()
    if top in _NO_DOMAIN:
        return False
    # `git@host:owner/name.git` is where code is, not who somebody is.
    return not (local == "git" and match.string[match.end() : match.end() + 1] in (":", "/"))


# -- telephone --------------------------------------------------------------------------------------------

_SPACE = r" .\u00a0\u202f\u2011\u2013\-"
_EXTENSION = r"(?:\s?(?:x|ext\.?|extension|app\.?|Durchwahl|poste)\s?\d{1,6})?"
_PLUS = re.compile(rf"(?<![\w+.-])(?:\+|00)\(?[1-9](?:[{_SPACE}/()]{{0,2}}\d){{8,14}}{_EXTENSION}{ENDS}")
_NORTH_AMERICAN = re.compile(
    rf"(?<![\w.$+/-])(?:\+?1[{_SPACE}]?)?(?:\([2-9]\d\d\)[{_SPACE}]?|[2-9]\d\d(?P<sep>[{_SPACE}]))\d{{3}}[{_SPACE}]\d{{4}}"
    rf"{_EXTENSION}(?![\w]|[-.,/]\d)"
)
_TRUNK = re.compile(
    rf"(?<![\w.,:/+-])\(?0[1-9]\d{{0,4}}\)?(?:[{_SPACE}/]{{0,2}}\d{{2,8}}){{1,5}}{_EXTENSION}(?![\w]|[-.,:/]\d)"
)
_ANY = re.compile(rf"(?<![\w.])[+(]?\d(?:[{_SPACE}/()]{{0,2}}\d){{6,14}}{_EXTENSION}{ENDS}")
_REGIONS = ("GB", "DE", "FR", "IT", "NL", "BE", "CH", "AT", "SE", "AU", "JP", "IN", "BR", "ZA", "ID", "IL", "KR", "TR")
_PHONE_WORDS = words(
    *(r"(?:tele)?phones?", r"tel", r"mobile", r"cell(?:phone|ular)?", r"fax", r"whats ?app", r"sms", r"msisdn"),
    *(r"hotline", r"telefon\w*", r"handy(?:nummer)?", r"mobil(?:nummer)?", r"téléphone", r"tél", r"teléfono", r"móvil"),
    *(r"celular", r"cellulare", r"telefone", r"portable", r"rufnummer", r"dial", r"call(?: me| us)?:?"),
    r"(?:call|ring|text|reach|dial|contact)(?: \w+)? (?:at|on|under|me|us|back)(?: at| on)?",
)


def _is_plus(match: re.Match[str]) -> bool:
    """A number with its country: of a length that the country has, and written as people write one."""
    text = match[0]
    number = _parsed(re.sub(r"^00", "+", text), None)
    if number is None or not phonenumbers.is_possible_number(number):
        return False
    is_grouped = re.search(rf"\d[{_SPACE}/()]", text) is not None
    return is_grouped if text.startswith("00") else is_grouped or phonenumbers.is_valid_number(number)


def _is_north_american(match: re.Match[str]) -> bool:
    """Points, dashes and parentheses say telephone; spaces alone are between any numbers."""
    if match["sep"] != " " or "(" in match[0] or match[0].startswith("+1"):
        return True
    number = _parsed(match[0], "US")
    return number is not None and phonenumbers.is_valid_number(number)


_FRENCH = re.compile(rf"0[1-9](?:[{_SPACE}]\d\d){{4}}")
_BRITISH = re.compile(r"\(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}")
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d")


def _is_national(match: re.Match[str]) -> bool:
    """A leading 0 and groups: taken where the shape is one of telephone numbers or some country has the number."""
    text, count = match[0], len(digits_of(match[0]))
    if not 9 <= count <= 12 or text.isdecimal() or _DATE.match(text):
        return False
    if _FRENCH.fullmatch(text) or (_BRITISH.fullmatch(text) and count in (10, 11)):
        return True
    return any(
        (number := _parsed(text, region)) is not None and phonenumbers.is_valid_number(number) for region in _REGIONS
    )


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def _is_no_date(match: re.Match[str]) -> bool:
    return len(digits_of(match[0])) >= 7 and not re.match(
        r"\(?(?:19|20)\d\d[-./]\d\d?[-./]\d\d?|\d\d?[./]\d\d?[./]\d{4}", match[0]
    )


# -- IP ---------------------------------------------------------------------------------------------------

_V4 = re.compile(r"(?<![\w.@-])(?<![A-Za-z]/)(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d|-\w)")
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{3,4}(?::{1,2}[0-9A-Fa-f]{1,4}){1,7}(?:::)?(?![\w:])")
_IP_WORDS = words(
    r"ips?", r"ipv4", r"(?:ip )?address(?:es)?", r"hosts?", r"servers?", r"dns", r"from", r"ping", r"client", r"remote",
    r"gateway", r"subnet", r"proxy", r"resolver", r"adresse", r"dirección", r"login", r"connect(?:ed|ion)?",
)  # fmt: skip
_VERSION_WORDS = re.compile(r"(?:version|release|build|ver|section|chapter|v|==|>=|<=|~=|\^)\W{0,3}$", re.IGNORECASE)
# The blocks that are given out: `a::b` and `std::` are no addresses (IANA, IPv6 address space).
_GIVEN_OUT = tuple(ipaddress.ip_network(block) for block in ("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8"))


def _octets(match: re.Match[str]) -> list[int] | None:
    """The address's bytes; None for what is none, or is nobody's: this host, a mask, a version."""
    octets = [int(part) for part in match[0].split(".")]
    if max(octets) > 255 or any(len(part) > 1 and part[0] == "0" for part in match[0].split(".")):
        return None
    if octets[0] in (0, 127, 255) or _VERSION_WORDS.search(match.string[max(0, match.start() - 12) : match.start()]):
        return None
    return octets


def _is_v4(match: re.Match[str]) -> bool:
    """Four small numbers are as well a version or a chapter (`4.2.1.3`): these need a word."""
    octets = _octets(match)
    return octets is not None and (octets[0] == 10 or max(octets) > 40)


def _is_v6(match: re.Match[str]) -> bool:
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:
        return False
    return any(address in block for block in _GIVEN_OUT)


CONTACT: tuple[Recognizer, ...] = (
    Recognizer(
        kind=Kind.EMAIL, hint=Hint.AT, pattern=_EMAIL, marks=("@", "%40", "&#64;"), reach=(66, 255), check=_is_email
    ),
    Recognizer(
        kind=Kind.EMAIL,
        hint=Hint.AT,
        pattern=_SPELLED_OUT,
        marks=("[at]", "(at)", "[ at ]", "( at )", " at "),
        reach=(66, 100),
        check=always,
    ),
    Recognizer(
        kind=Kind.IP,
        hint=Hint.ADDRESS,
        pattern=_V4,
        check=_is_v4,
        words=_IP_WORDS,
        check_vouched=lambda match: _octets(match) is not None,
    ),
    Recognizer(kind=Kind.IP, hint=Hint.ADDRESS, pattern=_V6, check=_is_v6),
    Recognizer(kind=Kind.PHONE, hint=Hint.NUMBER, pattern=_PLUS, check=_is_plus),
    Recognizer(kind=Kind.PHONE, hint=Hint.NUMBER, pattern=_NORTH_AMERICAN, check=_is_north_american),
    Recognizer(kind=Kind.PHONE, hint=Hint.NUMBER, pattern=_TRUNK, check=_is_national),
    Recognizer(kind=Kind.PHONE, hint=Hint.NUMBER, pattern=_ANY, words=_PHONE_WORDS, check_vouched=_is_no_date),
)
