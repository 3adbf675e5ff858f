"""Seeded sentences with personal data in them, each with what it holds, and hard ones that hold none.

The values are made by their own rules (checksums, numbering plans) and not by the recognizers, and the sentences come from
several sets, so that what is measured is not what was tuned on.
"""

import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestration.lib.privacy.policy import FieldPolicy
from orchestration.lib.privacy.recognizers.base import Found, Hint
from orchestration.lib.privacy.text_masker import find_all

FIRST = ("anna", "bob", "carlos", "dmitri", "eva", "fatima", "george", "hana", "ivan", "josé", "karin", "li", "mbali")
LAST = ("smith", "müller", "garcía", "rossi", "kowalski", "okafor", "tanaka", "o'neil", "van-dam", "silva", "singh")
HOSTS = ("example.com", "mail.example.org", "corp.example.co.uk", "example.de", "dept.uni-example.edu", "x.example.io")


@dataclass(frozen=True)
class Labelled:
    """A sentence, and the value in it with its kind; neither for one that holds nothing."""

    text: str
    kind: str | None
    value: str


def judged(one: Labelled) -> tuple[bool, list[Found]]:
    """Whether all of the value is found in a sentence, and what is found elsewhere in it."""
    spans = find_all(one.text, key="", policy=FieldPolicy(), hints=frozenset(Hint))
    start = one.text.index(one.value) if one.kind else -1
    end = start + len(one.value)
    places = {place for span in spans for place in range(span.start, span.end)}
    return places.issuperset(range(start, end)), [
        span for span in spans if one.kind is None or span.end <= start or end <= span.start
    ]


def _digits(r: random.Random, count: int) -> str:
    return "".join(r.choice(string.digits) for _ in range(count))


def _drawn(r: random.Random, count: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(r.choice(letters) for _ in range(count))


def _luhn(number: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(number)):
        d = int(digit) * (2 if place % 2 == 0 else 1)
        total += d - 9 if d > 9 else d
    return number + str(-total % 10)


def email(r: random.Random) -> str:
    first, last = r.choice(FIRST), r.choice(LAST)
    local = r.choice(
        (f"{first}.{last}", f"{first}{r.randint(1, 999)}", f"{first[0]}_{last}", f"{first}+news", first.upper())
    )
    return f"{local}@{r.choice(HOSTS)}"


def phone(r: random.Random) -> str:
    a, b, c = f"{r.randint(2, 9)}{_digits(r, 2)}", f"{r.randint(2, 9)}{_digits(r, 2)}", _digits(r, 4)
    return r.choice(
        (
            f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"+1 {a} {b} {c}", f"+1-{a}-{b}-{c}", f"1-{a}-{b}-{c}",
            f"({a}){b}-{c} ext. {_digits(r, 3)}", f"+44 20 7{_digits(r, 3)} {_digits(r, 4)}", f"020 7{_digits(r, 3)} {_digits(r, 4)}",
            f"07{r.choice('45789')}{_digits(r, 2)} {_digits(r, 6)}", f"+49 151 {_digits(r, 8)}", f"0151/{_digits(r, 8)}",
            f"+33 6 {_digits(r, 2)} {_digits(r, 2)} {_digits(r, 2)} {_digits(r, 2)}",
            f"06 {_digits(r, 2)} {_digits(r, 2)} {_digits(r, 2)} {_digits(r, 2)}", f"+34 6{_digits(r, 2)} {_digits(r, 3)} {_digits(r, 3)}",
            f"+91 9{_digits(r, 4)} {_digits(r, 5)}", f"+81 90-{r.randint(1000, 9999)}-{_digits(r, 4)}", f"+551198{_digits(r, 7)}",
        )
    )  # fmt: skip


def card(r: random.Random) -> str:
    start, length = r.choice(
        (("4", 16), (f"5{r.randint(1, 5)}", 16), ("37", 15), ("6011", 16), ("2221", 16), ("3530", 16))
    )
    number = _luhn(start + _digits(r, length - len(start) - 1))
    if length == 15:
        return r.choice((number, f"{number[:4]} {number[4:10]} {number[10:]}"))
    groups = [number[i : i + 4] for i in range(0, 16, 4)]
    return r.choice((number, " ".join(groups), "-".join(groups)))


def iban(r: random.Random) -> str:
    country, rest = r.choice(
        (("DE", _digits(r, 18)), ("GB", _drawn(r, 4, string.ascii_uppercase) + _digits(r, 14)), ("AT", _digits(r, 16)),
         ("NL", _drawn(r, 4, string.ascii_uppercase) + _digits(r, 10)), ("CH", _digits(r, 17)), ("PL", _digits(r, 24)))
    )  # fmt: skip
    number = "".join(str(int(c, 36)) for c in f"{rest}{country}00")
    whole = f"{country}{98 - int(number) % 97:02d}{rest}"
    return r.choice((whole, " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))))


def ip(r: random.Random) -> str:
    if r.random() < 0.3:
        return f"2001:db8:{r.randint(1, 65535):x}:{r.randint(1, 65535):x}::{r.randint(1, 65535):x}"
    start = r.choice((f"192.168.{r.randint(0, 255)}", f"10.{r.randint(0, 255)}.{r.randint(0, 255)}", "203.0.113", "198.51.100",
                      f"{r.randint(128, 223)}.{r.randint(0, 255)}.{r.randint(0, 255)}"))  # fmt: skip
    return f"{start}.{r.randint(1, 254)}"


def national_id(r: random.Random) -> str:
    def ssn() -> str:
        return (
            f"{r.choice((r.randint(1, 665), r.randint(667, 899))):03d}-{r.randint(1, 99):02d}-{r.randint(1, 9999):04d}"
        )

    def nino() -> str:
        return f"{r.choice('ABCEHJ')}{r.choice('ABCEHJ')} {_digits(r, 2)} {_digits(r, 2)} {_digits(r, 2)} {r.choice('ABCD')}"

    def nif() -> str:
        number = int(_digits(r, 8))
        return f"{number:08d}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"

    def cpf() -> str:
        digits = [r.randint(0, 9) for _ in range(9)]
        for _ in range(2):
            total = sum(d * w for d, w in zip(digits, range(len(digits) + 1, 1, -1), strict=False))
            digits.append(total * 10 % 11 % 10)
        d = "".join(map(str, digits))
        return f"{d[:3]}.{d[3:6]}.{d[6:9]}-{d[9:]}"

    def personnummer() -> str:
        start = f"{r.randint(40, 99)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{_digits(r, 3)}"
        whole = _luhn(start)
        return f"{whole[:6]}-{whole[6:]}"

    def pan() -> str:
        return f"{_drawn(r, 3, string.ascii_uppercase)}P{r.choice(string.ascii_uppercase)}{_digits(r, 4)}{r.choice(string.ascii_uppercase)}"

    return r.choice((ssn, ssn, nino, nif, cpf, personnummer, pan))()


def vouched_id(r: random.Random) -> str:
    """A national id that needs the word beside it."""

    def nhs() -> str:
        while True:
            start = _digits(r, 9)
            check = 11 - sum(int(d) * w for d, w in zip(start, range(10, 1, -1), strict=True)) % 11
            if check != 10:
                return f"NHS number {start[:3]} {start[3:6]} {start[6:]}{check % 11}"

    def pesel() -> str:
        start = f"{r.randint(40, 99)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{_digits(r, 4)}"
        check = -sum(int(d) * w for d, w in zip(start, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True)) % 10
        return f"PESEL {start}{check}"

    def ssn() -> str:
        return f"SSN {r.randint(100, 665)}{r.randint(10, 99)}{r.randint(1000, 9999)}"

    return r.choice((nhs, pesel, ssn))()


def secret(r: random.Random) -> str:
    return r.choice(
        (
            f"AKIA{_drawn(r, 16, string.ascii_uppercase + '234567')}", f"ghp_{_drawn(r, 36)}", f"sk-proj-{_drawn(r, 40)}",
            f"sk_live_{_drawn(r, 24)}", f"xoxb-{_digits(r, 12)}-{_digits(r, 12)}-{_drawn(r, 24)}", f"AIza{_drawn(r, 35)}",
            f"hf_{_drawn(r, 34)}", f"glpat-{_drawn(r, 20)}", f"SG.{_drawn(r, 22)}.{_drawn(r, 43)}",
            f"eyJhbGciOiJIUzI1NiJ9.eyJ{_drawn(r, 30)}.{_drawn(r, 43)}",
            f"-----BEGIN RSA PRIVATE KEY-----\n{_drawn(r, 64)}\n{_drawn(r, 64)}\n-----END RSA PRIVATE KEY-----",
        )
    )  # fmt: skip


def password(r: random.Random) -> str:
    """As people choose them; in a sentence it has to be said that it is one."""
    name = r.choice(("tanaka", "sunshine", "Garcia", "dragon", "Liverpool", "orchid", "monkey"))
    return r.choice(
        (f"{name}{_digits(r, r.randint(1, 4))}", f"{name}_{_digits(r, 2)}!", f"{name[:3]}{_digits(r, 2)}-{_drawn(r, 4)}#",
         f"P@ssw0rd{_digits(r, 3)}", f"S3cr3t-{_drawn(r, 5)}{_digits(r, 2)}", f"{_drawn(r, 11)}{_digits(r, 1)}")
    )  # fmt: skip


PASSWORDS = (
    'password = "{}"',
    "DB_PASSWORD='{}' python app.py",
    "my password is {}",
    'connect(host="db", user="app", password="{}")',
    "postgres://app:{}@db.internal/orders",
    'config = {{"user": "app", "passwd": "{}"}}',
)


MAKE: dict[str, Callable[[random.Random], str]] = {
    "email": email, "phone": phone, "card": card, "iban": iban, "ip": ip, "national_id": national_id, "secret": secret,
}  # fmt: skip
SENTENCES: dict[str, tuple[str, ...]] = {
    "email": (
        "Please write to {} about it.",
        "contact: {}",
        "Hi, I'm {}, can you help?",
        "cc {}; thanks",
        '{{"to": "{}"}}',
    ),
    "phone": (
        "Call me at {} after six.",
        "Phone: {}",
        "my number is {}",
        "You can reach us under {}.",
        "Tel. {} or fax",
    ),
    "card": ("My card is {} and it was declined.", "pay with {}", "Visa {} exp 04/27", "charge {} please"),
    "iban": ("Transfer it to {} today.", "IBAN: {}", "the account {} is mine", "refund to {}, thank you"),
    "ip": ("The request came from {} at noon.", "ssh root@host ({})", "client ip {}", "blocked {} again", "ping {}"),
    "national_id": (
        "My id is {} if you need it.",
        "the number {} is on my form",
        "id: {}",
        "applicant {} was born there",
    ),
    "secret": ("Use {} for the tests.", "export KEY={}", "the key is {}", 'headers = {{"X-Key": "{}"}}', "token {}"),
}


def _example(r: random.Random) -> str:
    """What stands in program code where a password would."""
    word = r.choice(("password", "my_password", "secret", "testpass", "Password", "mySecurePassword", "admin", "root"))
    return f"{word}{_digits(r, r.choice((0, 1, 3, 3)))}"


HARD: tuple[Callable[[random.Random], str], ...] = (
    lambda r: f"version {r.randint(0, 20)}.{r.randint(0, 20)}.{r.randint(0, 20)}.{r.randint(0, 20)} was released",
    lambda r: f"req {_drawn(r, 8, '0123456789abcdef')}-{_drawn(r, 4, '0123456789abcdef')}-4{_digits(r, 3)}-a{_digits(r, 3)}-{_digits(r, 12)}",
    lambda r: f"sha256 {_drawn(r, 64, '0123456789abcdef')}",
    lambda r: f"at 2024-{r.randint(1, 12):02d}-{r.randint(1, 28):02d} {r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}",
    lambda r: f"epoch {r.randint(1_600_000_000, 1_800_000_000)} or {r.randint(1_600_000_000_000, 1_800_000_000_000)} ms",
    lambda r: f"x = [{', '.join(f'{r.uniform(-3, 3):.12f}' for _ in range(4))}]",
    lambda r: f"the total was $ {r.randint(1, 999)},{_digits(r, 3)},{_digits(r, 3)}.{_digits(r, 2)}",
    lambda r: f"@app.route('/v{r.randint(1, 9)}/items/<int:id>')\ndef get(id): return db[id]",
    lambda r: f"scores = q@k.transpose(-2, -1) / {r.randint(2, 64)}",
    lambda r: f"std::vector<int> v{{{_digits(r, 3)}}}; ns::f(a::b)",
    lambda r: f"git clone git@github.com:team/repo{r.randint(1, 99)}.git",
    lambda r: f"password = get_password(user_{r.randint(1, 9)})\ntoken = tokens[{r.randint(0, 9)}]",
    lambda r: f'password = "{_example(r)}"  # for the tests\nassert login("ada", password="{_example(r)}")',
    lambda r: f"engine = create_engine('postgresql://user:{_example(r)}@localhost:5432/app')",
    lambda r: f'SECRET_KEY = "{r.choice(("my", "super", "test"))}-secret-key-{_digits(r, 5)}"',
    lambda r: f"def tokenize(text: str, max_tokens: int = {r.randint(1000, 9999)}) -> list[str]: ...",
    lambda r: f"population {r.randint(100, 999)} {_digits(r, 3)} {_digits(r, 3)} in {r.randint(1900, 2024)}",
    lambda r: f"order 4{_digits(r, 11)} shipped, tracking 1Z{_drawn(r, 16, string.digits + 'ABCDEF')}",
    lambda r: f"ISBN 978-{_digits(r, 1)}-{_digits(r, 4)}-{_digits(r, 4)}-{_digits(r, 1)}",
    lambda r: f"icon@{r.randint(2, 3)}x.png, lodash@4.17.{r.randint(1, 30)}, /api/v2/users/{r.randint(1, 99999)}",
    lambda r: f"from {r.randint(1, 28):02d}.{r.randint(1, 12):02d}.2023 to {r.randint(1, 28):02d}/{r.randint(1, 12):02d}/2024",
    lambda r: f"RGB {r.randint(0, 255)} {r.randint(0, 255)} {r.randint(0, 255)}, 1 2 3 4 5 6 7 8 9 10 11 12",
    lambda r: f"learning rate 1e-{r.randint(2, 9)}, seed {_digits(r, 9)}, loss {r.random():.16f}",
)  # fmt: skip


def labelled(seed: int, each: int) -> Iterator[Labelled]:
    """`each` sentences of every kind, and as many hard ones that hold nothing."""
    r = random.Random(seed)
    for kind, make in MAKE.items():
        for _ in range(each):
            value = make(r)
            yield Labelled(r.choice(SENTENCES[kind]).format(value), kind, value)
    for _ in range(each // 2):
        text = vouched_id(r)
        yield Labelled(
            f"for your files: {text}.", "national_id", text.split(" ", 2 if text.startswith("NHS") else 1)[-1]
        )
    for _ in range(each // 2):
        value = password(r)
        yield Labelled(r.choice(PASSWORDS).format(value), "secret", value)
    for _ in range(each):
        yield Labelled(r.choice(HARD)(r), None, "")


def sentences(seed: int, count: int) -> Sequence[str]:
    """Sentences with personal data of all kinds, for filler texts."""
    r = random.Random(seed)
    kinds = list(MAKE)
    return [r.choice(SENTENCES[kind]).format(MAKE[kind](r)) for kind in (r.choice(kinds) for _ in range(count))]
