"""Awkward traffic without answers, for two engines that have to say the same of it.

What belongs here: what engines are likely to read in two ways. Every line is one that a producer may send; what becomes
of it the other tables of planted traffic say for lines like it. Lands in days that `scenario` has, beside its files.
"""

import json
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.traffic import land

from .plan import MAR_2, MAR_3, MAR_4, MAR_5

Event = dict[str, Any]

# Case, composition, width, spaces, control characters, marks of patterns and escapes, markup, code, citations.
_TEXTS = (
    "", " ", "Ä", "A\u0308", "İstanbul ıI", "STRASSE straße ẞ", "ﬁ ＦＵＬＬ", "😀 👩‍👩‍👧 🇩🇪", "日本語のテキスト 한국어", "עברית العربية ไทย हिन्दी",
    "a\u0000b\u001f\u007f", "\u00a0no-break\u3000wide\u200bzero", "\u2028line\u2029sep\u0085nel\u000bvt", "100% a_b%c", "it's \"said\" \\ \\n",
    "\\", "$1 ${x} \\1 .*+?[](){}^$|", "{{ jinja }} {% x %} -- '; drop", r"$\frac{a}{b} = \sum_{i=0}^{n} \text{x} \neq \beta$ 😀\\😀",
    "one\n  indented\n\tline  \n\nend\n", "one\r\n  indented\r\n\tline\r\n\r\nend", "a  b   c", "see [1] and [2, 3] [chunk-7] 【4】 [^1] [] [[1]]",
    "e\u0301\u0323 q\u0323\u0307 Å Ω ς", "жизнь ХОРОША Ა 𐐀𐐨", "x" * 4000, "null", "1.0E7", "-0.0", '{"a":1.0E7}', "[1.0E-7]", "NaN",
)  # fmt: skip
# As one engine or the other spells them: with an exponent, beyond 64 bits, with a zero at the end, without sign.
_NUMBERS = (
    "0", "-0.0", "1", "1.0", "1.50", "1e5", "0.0005", "0.000012", "1e-7", "1.5e-10", "12345678.5", "1e16", "1e21", "1e22", "4.35",
    "9007199254740993", "9223372036854775808", "12345678901234567890123", "0.30000000000000004", "-9223372036854775809",
)  # fmt: skip
_OUTPUTS = (
    '{"text":"a","text":"b"}', '{"text":{"text":"inner","b":1,"a":2.50}}', '{"text":["x",null,1.0]}', '{"text":5}', '{"label":{"b":1,"a":[1,2]}}',
    '{"alternatives":null}', '{"alternatives":{}}', '{"alternatives":["a",["b"],{"text":null},{"text":7},null,true]}', '{"a.b":1,"":2}',
    '{"label":"l","score":"0.7"}', '{"label":"l","score":1.5}', '{"logprobs":{"content":[{"logprob":-0.1},{"logprob":-0.25}]}}',
    '{"logprobs":[-0.1,"x",null,-1e-7]}', '{"text":"x","alternatives":[{"label":"a","score":0.6},{"label":"b","score":3e-4}]}',
)  # fmt: skip
_INPUTS = (
    '{"prompt":"p"}', '{"messages":"none","prompt":5}',
    '{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yo"},{"role":"user","content":[{"text":"part"},{"type":"image"}]}]}',
    '{"messages":[{"role":"system","content":null},{"content":"norole"},"str",null,5,{"role":"user","content":{"b":1,"a":"😀"}}]}',
)  # fmt: skip
# What a retry may say again: the same, or not.
_AGAIN = (
    ('{"a":1,"b":2}', '{"b":2,"a":1}'), ('{"a":1}', '{"a":1.0}'), ('{"a":1}', '{"a":"1"}'), ('{"a":null}', "{}"), ('{"a":-0.0}', '{"a":0.0}'),
    ('{"a":{"b":{"c":1,"d":2}}}', '{"a":{"b":{"d":2,"c":1}}}'), ('{"a":{"b":{"c":{"d":1,"e":2}}}}', '{"a":{"b":{"c":{"e":2,"d":1}}}}'),
    ('{"a":[{"x":1,"y":2}]}', '{"a":[{"y":2,"x":1}]}'), ('{"a/b":1,"~":2,"é":{"n":null}}', '{"é":{"n":null},"~":2,"a/b":1}'),
    ('{"a":0.0001,"t":"\\u0000😀\\\\"}', '{"a":0.0002,"t":"\\u0000😀\\\\"}'),
)  # fmt: skip
# Before 1970, after 2100, to the microsecond, at offsets that are no whole hours.
_TIMES = (
    "1883-11-18T12:00:00-05:00",
    "1969-12-31T23:59:59.999999Z",
    "2105-01-01T00:00:00Z",
    "2024-03-03T02:30:00.000001+05:45",
)


def land_awkward(data_dir: Path) -> None:
    for stream, day, lines in (
        ("inferences", MAR_2, [*_texts_asked(), *_first_sent()]), ("feedback", MAR_3, [*_texts_said(), *_times_said()]),
        ("inferences", MAR_3, [*_numbers_logged(), *_outputs_logged(), *_times_logged()]), ("feedback", MAR_4, [*_numbers_said(), *_outputs_judged()]),
        ("inferences", MAR_4, [*_turns_at_once(), *_sent_again()]), ("feedback", MAR_5, [*_said_at_once()]),
    ):  # fmt: skip
        land(
            data_dir,
            stream,
            day,
            [line if isinstance(line, str) else _json(line) for line in lines],
            name="awkward.jsonl",
        )


def documents() -> list[str]:
    """JSON as the ledger has it, of all of these."""
    spelt = [
        f'{{"label":{number},"features":{{"b":{number},"a":[{number}]}},"logprobs":[{number}]}}' for number in _NUMBERS
    ]
    said = [json.dumps({"text": text, "features": {"k": text}}, ensure_ascii=False) for text in _TEXTS]
    return [*spelt, *said, *_OUTPUTS, *_INPUTS, *(document for pair in _AGAIN for document in pair)]


def texts() -> tuple[str, ...]:
    return _TEXTS


def _json(event: Event) -> str:
    return json.dumps({name: value for name, value in event.items() if value is not None}, ensure_ascii=False)


def _inference(request_id: str, at: str, **more: Any) -> Event:
    return {"request_id": request_id, "timestamp": at, "model_version": "v1", **more}


def _texts_asked() -> Iterator[Event]:
    for n, (text, other) in enumerate(zip(_TEXTS, _TEXTS[5:] + _TEXTS[:5], strict=True)):
        chunks = [
            {"chunk_id": f"c{i}", "document_id": text[:20] or None, "rank": i, "text": _TEXTS[n - i]}
            for i in range(1 + n % 4)
        ]
        yield _inference(
            f"awk-text-{n}", f"{MAR_2}T08:{n:02d}:00.{n:06d}Z", user_id=f"awk {text[:30]}", session_id=f"awk-s{n % 6}", turn=n // 6 if n % 5 else None,
            input={"prompt": text, "system_prompt": other, "retrieved": chunks, "features": {"position": n % 4, "k": text, "x": n / 7e5}},
            output={"text": other, "label": (None, text, n / 3, True)[n % 4], "score": n / 100, "alternatives": [other, text, {"text": text}, None]},
            variant="ab"[n % 2], endpoint="/awkward", propensity=(0.1, 0.25, 1, 1 / 3, 1e-9, None)[n % 6], params={"stop": [text], "n": {"b": 1, "a": None}},
            components=[{"name": text[:40] or "x", "kind": "ensemble_member", "weight": n % 3, "output": {"text": text}},
                        {"name": "e2", "kind": "ensemble_member", "weight": 1, "output": other}, {"name": "gen", "kind": "generator"}],
        )  # fmt: skip


def _texts_said() -> Iterator[Event]:
    says = cycle(
        (
            lambda text: {"corrected_output": text}, lambda text: {"comment": text}, lambda text: {"label": text}, lambda text: {"signal": text or "x", "value": text},
            lambda text: {"thumbs": "up", "target": {"kind": "chunk", "id": "c0"}}, lambda text: {"preferred_output_idx": 1},
            lambda text: {"rating": 2, "target": {"kind": "component", "id": text[:40] or "x"}},
        )
    )  # fmt: skip
    for number in range(3 * len(_TEXTS)):
        n, said = number % len(_TEXTS), next(says)
        yield {"feedback_id": f"awk-said-{number}", "request_id": f"awk-text-{n}", "timestamp": f"{MAR_3}T09:{n:02d}:0{number // len(_TEXTS)}.{n:06d}Z",
               "user_id": f"awk-u{number % 9}", "source": ("user", "annotator", None)[number % 3], **said(_TEXTS[(n + number) % len(_TEXTS)])}  # fmt: skip


def _numbers_logged() -> Iterator[str]:
    for n, number in enumerate(_NUMBERS):
        head = f'{{"request_id":"awk-number-{n}","timestamp":"{MAR_3}T07:00:00.{n:06d}Z","model_version":"v2","user_id":"awk-n{n % 4}",'
        yield head + (
            '"input":{"features":{"position":#,"z":[#,{"y":#}],"a":"😀"},"retrieved":[{"chunk_id":#,"rank":#,"score":#,"text":"alpha beta"}]},'
            '"params":{"t":#},"output":{"label":#,"score":#,"logprobs":[#,-0.5],"alternatives":[{"text":"q","score":#},{"text":"w","score":0.25}]},'
            '"components":[{"name":#,"kind":"ensemble_member","weight":#,"output":#}],"future":#}'
        ).replace("#", number)


def _numbers_said() -> Iterator[str]:
    for n, number in enumerate(_NUMBERS):
        about = f'"request_id":"awk-number-{n}","user_id":"awk-n{n % 4}"'
        yield f'{{"feedback_id":"awk-label-{n}",{about},"label":{number},"x":{{"deep":{number}}}}}'
        yield f'{{"feedback_id":"awk-value-{n}",{about},"signal":"s","value":{number}}}'


def _outputs_logged() -> Iterator[str]:
    for n, output in enumerate(_OUTPUTS):
        for m, given in enumerate(_INPUTS):
            yield (
                f'{{"request_id":"awk-output-{n}-{m}","timestamp":"{MAR_3}T06:{n:02d}:00.{m:06d}Z","model_version":"v3","session_id":"awk-o{n % 5}","turn":{n},'
                f'"input":{given},"output":{output},"components":[{{"name":"m1","kind":"ensemble_member","output":{output}}},'
                '{"name":"m2","kind":"ensemble_member","output":"a"},{"kind":"generator"},"x",null,{"name":5,"kind":["generator"]}]}'
            )


def _outputs_judged() -> Iterator[Event]:
    says = cycle(
        (
            {"thumbs": "up"},
            {"corrected_output": "a [1] b"},
            {"preferred_output_idx": 0},
            {"rating": 1},
            {"thumbs": "down"},
        )
    )
    for n in range(len(_OUTPUTS)):
        for m in range(len(_INPUTS)):
            yield {
                "feedback_id": f"awk-judged-{n}-{m}",
                "request_id": f"awk-output-{n}-{m}",
                "user_id": f"awk-j{n % 6}",
                **next(says),
            }


def _first_sent() -> Iterator[str]:
    yield from _sent(first=True)


def _sent_again() -> Iterator[str]:
    yield from _sent(first=False)


def _sent(*, first: bool) -> Iterator[str]:
    for n, (one, other) in enumerate(_AGAIN):
        for field in ("params", "output", "unknown"):
            yield f'{{"request_id":"awk-again-{n}-{field}","timestamp":"{MAR_2}T07:00:00Z","model_version":"v3","propensity":0.0005,"{field}":{one if first else other}}}'


def _times_logged() -> Iterator[Event]:
    for n, at in enumerate(_TIMES):
        yield _inference(f"awk-time-{n}", at, session_id="awk-times", user_id="awk-t")


def _times_said() -> Iterator[Event]:
    for n, at in enumerate(_TIMES):
        yield {
            "feedback_id": f"awk-time-{n}",
            "request_id": f"awk-time-{n}",
            "timestamp": at,
            "thumbs": "up",
            "user_id": "awk-t",
        }


def _turns_at_once() -> Iterator[Event]:
    for n in range(8):
        yield _inference(f"awk-tie-{n}", f"{MAR_4}T11:00:00.{n // 2:06d}Z", session_id=f"awk-tie{n // 4}", turn=(0, 0, 2, 5)[n % 4] if n < 6 else None,
                         user_id=f"awk-w{n % 2}", output={"text": f"x{n}"}, exposed=(True, False, None)[n % 3])  # fmt: skip


def _said_at_once() -> Iterator[Event]:
    """Said, said again and taken back in one instant; and of sessions."""
    for n in range(8):
        at = {"request_id": f"awk-tie-{n}", "timestamp": f"{MAR_4}T12:00:00.000001Z", "user_id": "awk-tied"}
        for m in range(3):
            yield {"feedback_id": f"awk-tied-{n}-{m}", "rating": m + 1, **at}
        yield {"feedback_id": f"awk-back-{n}", "retracts": f"awk-tied-{n}-{n % 3}", **at}
        yield {
            "feedback_id": f"awk-session-{n}",
            "session_id": f"awk-tie{n % 2}",
            "rating": n % 5 + 1,
            "timestamp": f"{MAR_4}T11:00:00.00000{n}Z",
        }
