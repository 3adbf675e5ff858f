"""Numbers that a state gives to a person. One row a number: its shape, its checksum, the words that vouch for it.

A number whose shape and checksum leave hardly any chance is taken as it stands; one that any number of its length
may be (nine digits of which one is a check) only where a word before it, or its key, says what it is.
"""

import re
from collections.abc import Callable
from types import ModuleType

from stdnum.au import tfn
from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import nie, nif
from stdnum.fi import hetu
from stdnum.fr import nif as spi
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.ie import pps
from stdnum.in_ import aadhaar, pan
from stdnum.it import codicefiscale
from stdnum.jp import in_ as my_number
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import nif as pt_nif
from stdnum.ro import cnp
from stdnum.se import personnummer
from stdnum.tr import tckimlik
from stdnum.us import itin, ssn
from stdnum.za import idnr as za_id

from orchestration.lib.privacy.recognizers.base import Hint, Kind, Recognizer, always, words

_OPEN, _CLOSE = r"(?<![\w.-])", r"(?![\w]|[-.,]\d)"
_SG_WEIGHTS = (2, 7, 6, 5, 4, 3, 2)


def _valid(*modules: ModuleType) -> Callable[[re.Match[str]], bool]:
    return lambda match: any(module.is_valid(match[0]) for module in modules)


def _id(
    pattern: str,
    *,
    hint: Hint = Hint.NUMBER,
    check: Callable[[re.Match[str]], bool] | None = None,
    vouched_by: tuple[str, ...] = (),
    check_vouched: Callable[[re.Match[str]], bool] | None = None,
) -> Recognizer:
    return Recognizer(
        kind=Kind.NATIONAL_ID,
        hint=hint,
        pattern=re.compile(_OPEN + pattern + _CLOSE),
        check=check,
        words=words(*vouched_by) if vouched_by else None,
        check_vouched=check_vouched,
    )


def _is_singapore(match: re.Match[str]) -> bool:
    """NRIC and FIN: weighted digits, and for each first letter its own offset and letters."""
    number = match[0].upper()
    total = sum(w * int(d) for w, d in zip(_SG_WEIGHTS, number[1:8], strict=True))
    total += {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
    place = 10 - total % 11 if number[0] == "M" else total % 11
    return letters[number[0]][place] == number[8]


def _is_us(match: re.Match[str]) -> bool:
    """The areas that were never given out are 000, 666 and from 900; 9xx with certain groups are taxpayers' numbers."""
    digits = re.sub(r"\D", "", match[0])
    return bool(ssn.is_valid(digits) or itin.is_valid(digits)) or digits in ("123456789", "078051120", "219099999")


_TAX = (r"tax(?:payer)?(?: id(?:entification)?)?(?: (?:no|number|num))?", r"tin")

NATIONAL_IDS: tuple[Recognizer, ...] = (
    # United States: social security and taxpayer's number.
    _id(r"\d{3}-\d{2}-\d{4}", check=_is_us),
    _id(
        r"\d{3}[ .\u00a0\u2011\u2013-]?\d{2}[ .\u00a0\u2011\u2013-]?\d{4}",
        vouched_by=(r"ssns?", r"social(?: security)?(?: (?:no|number|num|#))?", r"itin", r"soc sec", *_TAX),
        check_vouched=always,
    ),
    # United Kingdom: National Insurance, NHS.
    _id(
        r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?P<s>[ -]?)"
        r"\d{2}(?P=s)\d{2}(?P=s)\d{2}(?P=s)[A-D]",
        hint=Hint.CODE,
        check=always,
    ),
    _id(r"\d{3}[ -]?\d{3}[ -]?\d{4}", vouched_by=(r"nhs(?: (?:no|number|num))?",), check_vouched=_valid(nhs)),
    # Spain.
    _id(r"\d{8}[ -]?[A-HJ-NP-TV-Za-hj-np-tv-z]", hint=Hint.CODE, check=_valid(nif)),
    _id(r"[XYZxyz][ -]?\d{7}[ -]?[A-HJ-NP-TV-Za-hj-np-tv-z]", hint=Hint.CODE, check=_valid(nie)),
    # Italy.
    _id(
        r"[A-Za-z]{6}\d[\dA-Za-z][A-EHLMPR-Ta-ehlmpr-t][\dA-Za-z]{2}[A-Za-z][\dA-Za-z]{3}[A-Za-z]",
        hint=Hint.CODE,
        check=_valid(codicefiscale),
    ),
    # Germany, France, Poland, Portugal, Ireland, Romania.
    _id(
        r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
        vouched_by=(r"steuer\w*", r"(?:steuer-?)?id-?nr", r"idnr", r"identifikationsnummer", *_TAX),
        check_vouched=_valid(idnr),
    ),
    _id(r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", check=_valid(nir)),
    _id(
        r"[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}",
        vouched_by=(r"num[ée]ro fiscal", r"spi", *_TAX),
        check_vouched=_valid(spi),
    ),
    _id(r"\d{11}", vouched_by=(r"pesel\w*",), check_vouched=_valid(pesel)),
    _id(r"\d{3} ?\d{3} ?\d{3}", vouched_by=(r"nif", r"contribuinte"), check_vouched=_valid(pt_nif)),
    _id(r"\d{7}[A-W][A-IW]?", hint=Hint.CODE, check=None, vouched_by=(r"pps\w*",), check_vouched=_valid(pps)),
    _id(r"[1-9]\d{12}", vouched_by=(r"cnp",), check_vouched=_valid(cnp)),
    # The Nordic countries: a date and digits.
    _id(r"(?:\d{2})?\d{6}[-+]\d{4}", check=_valid(personnummer), vouched_by=(r"cpr\w*",), check_vouched=_valid(cpr)),
    _id(r"(?:\d{2})?\d{10}", vouched_by=(r"personnummer", r"cpr\w*"), check_vouched=_valid(personnummer, cpr)),
    _id(r"[0-3]\d[01]\d{3}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", hint=Hint.CODE, check=_valid(hetu)),
    _id(r"[0-7]\d[0-8]\d{3} ?\d{5}", check=_valid(fodselsnummer)),
    # Belgium, Netherlands, Switzerland.
    _id(r"\d{2}\.\d{2}\.\d{2}[-.]\d{3}\.\d{2}", check=_valid(nn)),
    _id(r"\d{4}[ .]?\d{2}[ .]?\d{3}", vouched_by=(r"bsn\w*", r"burgerservicenummer"), check_vouched=_valid(bsn)),
    _id(r"756\.?\d{4}\.?\d{4}\.?\d{2}", check=_valid(ahv)),
    # India, China, Korea, Japan, Singapore, Turkey.
    _id(r"[2-9]\d{3}[ -]\d{4}[ -]\d{4}", check=_valid(aadhaar)),
    _id(r"[2-9]\d{11}", vouched_by=(r"aadha+r\w*", r"uidai"), check_vouched=_valid(aadhaar)),
    _id(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", hint=Hint.CODE, check=_valid(pan)),
    _id(r"[1-9]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d{4}[\dXx]", check=_valid(ric)),
    _id(r"\d{2}[01]\d[0-3]\d-[1-8]\d{6}", check=_valid(rrn)),
    _id(
        r"\d{4}[ -]?\d{4}[ -]?\d{4}", vouched_by=(r"my ?number", r"individual number"), check_vouched=_valid(my_number)
    ),
    _id(r"[STFGMstfgm]\d{7}[A-Za-z]", hint=Hint.CODE, check=_is_singapore),
    _id(r"[1-9]\d{10}", vouched_by=(r"tckn", r"t\.?c\.? ?kimlik\w*", r"kimlik"), check_vouched=_valid(tckimlik)),
    # The Americas, Australia, South Africa.
    _id(r"\d{3}\.\d{3}\.\d{3}-\d{2}", check=_valid(cpf)),
    _id(r"\d{11}", vouched_by=(r"cpf\w*",), check_vouched=_valid(cpf)),
    _id(r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z]\d", hint=Hint.CODE, check=_valid(curp)),
    _id(
        r"\d{3}[ -]?\d{3}[ -]?\d{3}",
        vouched_by=(r"sin", r"social insurance(?: (?:no|number))?"),
        check_vouched=_valid(sin),
    ),
    _id(r"\d{3} ?\d{3} ?\d{2,3}", vouched_by=(r"tfn", r"tax file(?: (?:no|number))?"), check_vouched=_valid(tfn)),
    _id(r"\d{13}", vouched_by=(r"(?:south african )?id(?: (?:no|number))?", r"rsa id"), check_vouched=_valid(za_id)),
    # Passports and driving licences have no common shape: only where they are called so.
    _id(
        r"(?=[A-Z0-9]*\d{4})[A-Z0-9]{6,14}",
        hint=Hint.CODE,
        vouched_by=(
            r"passport(?: (?:no|number|num|id|#))?",
            r"driv(?:er'?s?|ing) licen[cs]e(?: (?:no|number|num|#))?",
            r"reisepass\w*",
            r"personalausweis\w*",
            r"pasaporte",
            r"passeport",
            r"national id(?: (?:no|number))?",
        ),
        check_vouched=always,
    ),
)
