"""Which lines may hold personal data at all: necessary conditions, one expression a hint, for RE2 over whole chunks.

They look at the line as it landed, JSON escapes and all, so they must let pass whatever a recognizer could find after
the line was decoded (a test compares the two), and as few of the others as can be: ids, times, scores and log
probabilities are on every line. What passes is looked at by Python (`lines.py`), some 50 times dearer.
"""

from collections.abc import Mapping
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib.privacy.recognizers.base import Hint
from orchestration.lib.privacy.recognizers.secrets import MAKERS

# Lines are compared as bytes: what is no ASCII is written as its UTF-8, or as the JSON escape of it.
_SEP = r"(?:[ ()/+-]|\xc2\xa0|\xe2\x80[\x91\x93\xaf]|\\u00[aA]0|\\u20[12][0-9a-fA-F]|\\/)"
_WORDS = (
    r"phone|\b(?:tel|mobil|cell|fax|whats ?app|sms|msisdn|hotline|handy|call|ring|text|reach|dial|contact|m\S{1,6}vil|"
    r"portable|rufnum|ssn|social|soc sec|itin|nhs|steuer|idnr|id-?nr|identifikation|tax|tin|num|fiscal|spi|pesel|nif|"
    r"contribuinte|cnp|personnummer|cpr|bsn|burgerservice|aadha|uidai|my ?num|individual|tckn|t\.?c\.? ?kimlik|kimlik|"
    r"cpf|sin|insurance|tfn|south african|rsa|id no|id num)"
)
# Nine digits with at most two separators between them: telephones, cards, national ids. Not within words, decimals and
# negative numbers, or half of all ids and every probability would be one.
_DIGITS = rf"[^\w.-][+(]?\d(?:{_SEP}{{0,2}}\d){{8}}"
# Of these the ones that stand on every line of some producers: a date with its hour, and a time in milli-, micro- or
# nanoseconds.
_TIMES = r"[^\w.-](?:\d{4}-\d\d-\d\d \d\d|1\d{12}(?:\d{3}){0,2}[^\d])"
MANY = 0.25
# Groups of digits with points between them: telephones, Belgian, Swiss and Brazilian ids.
_DOTTED = r"\d{3}\.\d{3}\.\d{3}|\d\d\.\d\d\.\d\d[-.]\d\d|756\.\d{4}|\+\d{1,3}\.\d"
_ADDRESS = (
    r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d",
    r"[^\w:.][0-9A-Fa-f]{3,4}(?::[0-9A-Fa-f]{1,4}){0,6}::|[^\w:.][0-9A-Fa-f]{3,4}(?::[0-9A-Fa-f]{1,4}){7}",
)
# A word that vouches for seven digits, also as the name of the field.
_VOUCHED = rf"(?i:{_WORDS})[^0-9{{}}\[\]]{{0,45}}\d(?:[ ()/-]{{0,2}}\d){{6}}"
_CODE = (
    rf"[^A-Za-z0-9][A-Z]{{2}}\d{{2}}(?:{_SEP}?[A-Z0-9]){{11}}|(?i:iban)",
    r"[A-CEGHJ-PR-TW-Z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D][^\w]",
    r"[^\w.-](?:\d{8}|[XYZxyz][ -]?\d{7})[ -]?[A-Za-z][^\w]",
    r"[^\w.-][A-Za-z]{6}\d[\dA-Za-z][A-EHLMPR-Ta-ehlmpr-t][\dA-Za-z]{2}[A-Za-z][\dA-Za-z]{3}[A-Za-z][^\w]",
    r"[^\w.-][0-3]\d[01]\d{3}[-+A-FU-Y]\d{3}[0-9A-Y][^\w]",
    r"[^\w.-][A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z][^\w]|[^\w.-][A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d",
    r"[^\w.-][STFGMstfgm]\d{7}[A-Za-z][^\w]",
    r"(?i:pps|passport|licen[cs]e|reisepass|personalausweis|pasaporte|passeport|national.id)[^\n]{0,50}\d{4}",
)
_SECRET = (
    r"-----BEGIN|(?:^|[^A-Za-z0-9])(?:" + "|".join(start.replace(".", r"\.") for start, _ in MAKERS) + r")[\w./+-]{9}",
    r"(?:SK|AC)[0-9a-f]{32}|\d{8,10}:[A-Za-z0-9_-]{35}|[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27}|hooks\.slack",
    r':(?:\\?/){2}[^\s:/@"]{0,70}:[^\s/@"]{1,200}@|(?i:bearer|basic)\s+[A-Za-z0-9._~+/-]{16}',
    r"(?i:key|token|secret|auth\w*|credentials?)(?i:[_ -]?(?:id|key|value))?s?\\?[\"'`]?(?:\s*[:=]>?\s*|:=\s*| is:? +)"
    r"(?:str\s*=\s*)?\\?[\"'`]?[A-Za-z0-9+/=_.~-]{16}",
    r"[?&;]\w+(?:-\w+)*=[\w%+/=.~-]{16}|(?i:sig|signature)=[\w%+/=.~-]{16}",
    r"(?i:pass(?:word|wd|phrase|code)?|pwd|passwort|kennwort|mot de passe|contrase\S{1,6}a|senha)s?\\?[\"']?"
    r"(?:\s*[:=]|\s+(?:is|was|ist|es|est|\S{1,6})[: ])",
    # A value under a key that is called a secret.
    r'(?i:pass(?:word|wd|phrase)|pwd|secret|_?key|token|authorization|credentials?)"\s*:\s*"[^"\s]{6}',
    r'(?i:authorization)"\s*:\s*"',
)
# Letters, digits and signs written as \uXXXX hide what they spell; `<`, `>` and `&` are written so by careful writers
# of JSON. A NUL says that the line is of another encoding. A line with either is looked at for all hints.
HIDDEN = r"\\u00(?:2[0-57-9a-fA-F]|3[0-9abdfABDF]|[4-7])|\x00"
_AT = r"[\w'`}+\x80-\xff-](?:@|%40|&#64;)[\w\x80-\xff\\]|(?i:\[ ?at ?\]|\( ?at ?\)| at [\w-]+ dot )"
EXPRESSIONS: Mapping[Hint, str] = {
    Hint.AT: f"{_AT}|{HIDDEN}",
    Hint.ADDRESS: "|".join(_ADDRESS),
    Hint.NUMBER: f"{_DIGITS}|{_VOUCHED}|{_DOTTED}",
    Hint.CODE: "|".join(_CODE),
    Hint.SECRET: "|".join(_SECRET),
}
# The same, in as few looks at all the lines as RE2's automaton stays small for: three times 500 MB/s.
_ANY_OF = (
    "|".join((EXPRESSIONS[Hint.AT], EXPRESSIONS[Hint.ADDRESS], EXPRESSIONS[Hint.SECRET])),
    "|".join((_DIGITS, _DOTTED, EXPRESSIONS[Hint.CODE])),
    _VOUCHED,
)


def hints_of(lines: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """For each line a bit a hint (in the order of `Hint`): whether it may hold what the hint stands for."""
    may_hold = reduce(pc.or_, (pc.match_substring_regex(lines, of) for of in _ANY_OF))
    found = lines.filter(may_hold)
    bits = np.zeros(len(found), dtype=np.uint8)
    for place, hint in enumerate(Hint):
        bits |= as_numpy(_holds(hint, found, of_lines=len(lines))).astype(np.uint8) << place
    of_lines = np.zeros(len(lines), dtype=np.uint8)
    of_lines[as_numpy(may_hold)] = bits
    return of_lines


def _holds(hint: Hint, lines: pa.Array, *, of_lines: int) -> pa.Array:
    if hint is not Hint.NUMBER or len(lines) < MANY * of_lines:
        return pc.match_substring_regex(lines, EXPRESSIONS[hint])
    # Counting is dearer than looking, and pays where every line has a time that looks like a number.
    digits = pc.greater(pc.count_substring_regex(lines, _DIGITS), pc.count_substring_regex(lines, _TIMES))
    return pc.or_(digits, pc.match_substring_regex(lines, f"{_VOUCHED}|{_DOTTED}"))


def as_numpy(values: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = values.to_numpy(zero_copy_only=False)
    return found
