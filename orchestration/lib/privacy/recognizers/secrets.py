"""Secrets: keys that show their maker, tokens, private keys, passwords in addresses and in assignments."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator

from orchestration.lib.privacy.recognizers.base import Found, Hint, Kind, Recognizer, Text, always

# What keys of known makers start with, and the rest of their shape (as their makers document it).
MAKERS: tuple[tuple[str, str], ...] = (
    ("AKIA", "[A-Z0-9]{16}"), ("ASIA", "[A-Z0-9]{16}"), ("ABIA", "[A-Z0-9]{16}"), ("ACCA", "[A-Z0-9]{16}"),
    ("ghp_", r"\w{30,255}"), ("gho_", r"\w{30,255}"), ("ghu_", r"\w{30,255}"), ("ghs_", r"\w{30,255}"),
    ("ghr_", r"\w{30,255}"), ("github_pat_", r"\w{22,255}"), ("glpat-", r"[\w.-]{20,}"), ("glptt-", r"[\w-]{20,}"),
    ("xox", r"[abeoprs]-[\w-]{10,}"), ("xapp-", r"[\w-]{20,}"), ("sk_live_", r"\w{10,}"), ("sk_test_", r"\w{10,}"),
    ("rk_live_", r"\w{10,}"), ("rk_test_", r"\w{10,}"), ("pk_live_", r"\w{10,}"), ("pk_test_", r"\w{10,}"),
    ("whsec_", r"[\w+/=]{20,}"), ("sk-", r"(?=[\w-]*\d)[\w-]{20,}"), ("AIza", r"[\w-]{35}"), ("ya29.", r"[\w-]{20,}"),
    ("GOCSPX-", r"[\w-]{20,}"), ("hf_", r"[A-Za-z0-9]{30,}"), ("npm_", r"[A-Za-z0-9]{36,}"), ("pypi-", r"[\w-]{50,}"),
    ("SG.", r"[\w-]{16,}\.[\w-]{16,}"), ("key-", "[0-9a-f]{32}"), ("dapi", "[0-9a-f]{32}(?:-\\d)?"),
    ("dop_v1_", "[0-9a-f]{64}"), ("doo_v1_", "[0-9a-f]{64}"), ("shpat_", "[0-9a-fA-F]{32}"),
    ("shpss_", "[0-9a-fA-F]{32}"), ("sq0atp-", r"[\w-]{22,}"), ("sq0csp-", r"[\w-]{22,}"), ("gsk_", r"\w{30,}"),
    ("xai-", r"\w{40,}"), ("r8_", r"\w{30,}"), ("lin_api_", r"\w{30,}"), ("secret_", "[A-Za-z0-9]{40,}"),
    ("ntn_", r"\w{40,}"), ("PMAK-", r"[\w-]{40,}"), ("ATATT3", r"[\w=-]{40,}"), ("hvs.", r"[\w-]{24,}"),
    ("NRAK-", "[A-Z0-9]{27}"), ("sntrys_", r"[\w+/=-]{40,}"), ("glsa_", r"\w{32,}"), ("pplx-", r"\w{40,}"),
    ("AGE-SECRET-KEY-1", "[A-Z0-9]{50,}"), ("LTAI", "[A-Za-z0-9]{12,24}"), ("tvly-", r"[\w-]{20,}"),
    ("nvapi-", r"[\w-]{40,}"), ("fw_", "[A-Za-z0-9]{22,}"), ("EAACEdEose0cBA", r"\w{20,}"),
    ("eyJ", r"[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){0,3}"),
)  # fmt: skip

_TWILIO = re.compile(r"(?<!\w)(?:SK|AC)[0-9a-f]{32}(?!\w)")
_TELEGRAM = re.compile(r"(?<!\w)\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])")
_DISCORD = re.compile(r"(?<![\w-])[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\S]{0,12000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\:,-]{40,})"
)
_HOOK = re.compile(r"hooks\.slack\.com/(?:services|workflows)/(?P<it>[\w/+-]{20,})")
_IN_ADDRESS = re.compile(
    r"(?<![\w.-])[A-Za-z][A-Za-z0-9+.-]{1,20}:\\?/\\?/[^\s:/@\"'<>]{0,64}:(?P<it>[^\s/\"'<>]{1,200})@"
)
_BEARER = re.compile(r"\b(?:bearer|basic)\s+(?P<it>[A-Za-z0-9._~+/-]{16,}={0,2})", re.IGNORECASE)
_SIGNED = re.compile(
    r"[?&;](?:sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token|sharedaccesssignature|accountkey|"
    r"access_token|api_?key|auth|token)=(?P<it>[\w%+/=.~-]{16,})",
    re.IGNORECASE,
)
_NAME = r"(?:api[_ -]?key|access[_ -]?key|secret[_ -]?key|private[_ -]?key|account[_ -]?key|client[_ -]?secret|secret|\w*token|auth\w*|credentials?|license[_ -]?key)"  # noqa: E501
_ASSIGNED = re.compile(
    rf"(?<![A-Za-z]){_NAME}(?:[_ -]?(?:id|key|value))?\\?[\"']?(?:\s*(?:=>|:=|[:=])\s*|\s+is:?\s+)(?:str\s*=\s*)?"
    r"\\?[\"'`]?(?P<it>[A-Za-z0-9+/=_.~-]{16,200})(?![\w(\[])",
    re.IGNORECASE,
)
_PASSWORD = re.compile(
    r"(?:pass(?:word|wd|phrase|code)?|pwd|passwort|kennwort|mot de passe|contraseña|senha)s?\\?[\"']?"
    r"(?P<by>\s*(?:=>|:=|[:=])\s*|\s+(?:is|was|ist|es|est|é)[: ]\s*)(?P<quote>\\?[\"'`]?)(?P<it>[^\s\"'`<>\\]{4,100})",
    re.IGNORECASE,
)
_SECRET_KEYS = re.compile(
    r"(?:^|[_-])(?:pass(?:word|wd|phrase)|pwd|secret|api_?key|access_?key|private_?key|client_?secret|"
    r"(?:access|auth|refresh|bearer|id|api|session)_?token|authorization|credentials?)$",
    re.IGNORECASE,
)
_UNDER_KEY = re.compile(r"\A(?:(?:bearer|basic)\s+)?(?P<it>\S{6,})\Z", re.IGNORECASE)
# What stands for a secret and is none.
_STANDS_FOR_ONE = re.compile(
    r"[$%{}<>\[\]]|\*{2,}|x{4,}|\.{3}|your|example|changeme|redacted|placeholder|environ|getenv|process\.env|config|null|"
    r"undefined|string|secrets?\.|insert|dummy|REMOVED|DROPPED|_HERE",
    re.IGNORECASE,
)
# Words of which examples in program code make a literal (`my_password123`, `test-secret-key`). One that is written with
# signs or with digits for letters is none: people have such passwords.
_WORDS_OF_EXAMPLES = (
    "access admin api app auth bar baz changeme client correct current database db default demo dummy encryption fake "
    "foo guest hash hashed hello here invalid jwt key login long mongo mysql my new old pass passphrase password "
    "passwd passwort plain postgres private public pwd random redis root safe salt sample secret secrets secure "
    "service session some string strong super temp test text the this token user username valid value very world wrong"
)
_EXAMPLE = re.compile(
    rf"(?:(?:{'|'.join(sorted(_WORDS_OF_EXAMPLES.split(), key=len, reverse=True))})[_.-]?)++\d{{0,5}}", re.IGNORECASE
)
LEAST_ENTROPY = 3.0


def is_secret_key(key: str) -> bool:
    """Whether what stands under a key is called a password or a secret by it."""
    return _SECRET_KEYS.search(key) is not None


def is_example(text: str) -> bool:
    """Whether a literal is what programmers write where a secret would stand."""
    return _EXAMPLE.fullmatch(text) is not None


def is_random(text: str) -> bool:
    """Whether a text of 16 and more characters looks drawn: letters and digits mixed, none often."""
    if (
        _STANDS_FOR_ONE.search(text)
        or is_example(text)
        or not (re.search(r"\d", text) and re.search(r"[A-Za-z]", text))
    ):
        return False
    if re.fullmatch(r"[a-z_]+\d{0,3}|[A-Za-z]+(?:[._-][A-Za-z]+)*[._-]?v?\d{0,4}(?:[.-]\d+)*", text):
        return False  # a name in code, with a number
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) >= LEAST_ENTROPY


def _is_password(match: re.Match[str]) -> bool:
    """What is said to be a password and is written as one; in code the name of a variable is none."""
    word, is_said = match["it"].rstrip(".,;:!?)"), "=" not in match["by"]
    if len(word) < 4 or _STANDS_FOR_ONE.search(word) or not re.search(r"[A-Za-z]", word):
        return False
    if re.search(r"[(\[]", word) or word[:1] in "({" or (is_example(word) and (match["quote"] or not is_said)):
        return False
    mixed = (
        re.search(r"\d", word)
        or re.search(r"[!@#$%^&*?~+=]", word)
        or (re.search(r"[a-z][A-Z]", word) and match["quote"])
    )
    if match["quote"]:
        return bool(mixed) and len(word) >= 6
    return (
        bool(mixed)
        and not re.fullmatch(r"[a-z_]+\.\w[\w.]*", word)
        and (is_said or re.fullmatch(r"[A-Za-z_]+\d{0,2}", word) is None)
    )


def _is_of_address(match: re.Match[str]) -> bool:
    return re.match(r"[$%{*]", match["it"]) is None and not is_example(match["it"])


class _UnderKey(Recognizer):
    """The value of a key that is called a password or a secret."""

    def find(self, text: Text, key: str) -> Iterator[Found]:
        if is_secret_key(key) and not _STANDS_FOR_ONE.search(text.text):
            yield from super().find(text, key)


def _secret(
    pattern: re.Pattern[str],
    *,
    marks: tuple[str, ...],
    reach: tuple[int, int] = (2, 300),
    is_exact: bool = False,
    check: Callable[[re.Match[str]], bool] = always,
) -> Recognizer:
    return Recognizer(
        kind=Kind.SECRET,
        hint=Hint.SECRET,
        pattern=pattern,
        marks=marks,
        reach=reach,
        is_exact=is_exact,
        check=check,
    )


def _is_it_random(match: re.Match[str]) -> bool:
    return is_random(match["it"])


_MAKERS_KEYS = _secret(
    re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(re.escape(start) + rest for start, rest in MAKERS)})"),
    marks=tuple(start for start, _ in MAKERS),
    is_exact=True,
)
_NAME_MARKS = ("key", "token", "secret", "auth", "credential")
_PASSWORD_MARKS = ("passw", "passp", "passc", "pwd", "passwort", "kennwort", "mot de passe", "contrase", "senha")

SECRETS: tuple[Recognizer, ...] = (
    _secret(_PRIVATE_KEY, marks=("-----BEGIN",), reach=(0, 13_000), is_exact=True),
    _UnderKey(kind=Kind.SECRET, hint=Hint.SECRET, pattern=_UNDER_KEY, check=always),
    _MAKERS_KEYS,
    _secret(_TWILIO, marks=("SK", "AC"), is_exact=True),
    _secret(_TELEGRAM, marks=(":A",), reach=(12, 40), is_exact=True),
    _secret(_DISCORD, marks=(".",), reach=(40, 60), check=lambda match: is_random(match[0])),
    _secret(_HOOK, marks=("hooks.slack.com",)),
    _secret(_IN_ADDRESS, marks=("://", ":\\/\\/"), reach=(22, 300), check=_is_of_address),
    _secret(_BEARER, marks=("bearer", "basic"), check=_is_it_random),
    _secret(_SIGNED, marks=("sig", "auth", "token=", "key=", "credential="), reach=(40, 300), check=_is_it_random),
    _secret(_ASSIGNED, marks=_NAME_MARKS, reach=(24, 300), check=_is_it_random),
    _secret(_PASSWORD, marks=_PASSWORD_MARKS, reach=(2, 140), check=_is_password),
)
