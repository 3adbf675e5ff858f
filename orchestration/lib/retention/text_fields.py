"""What of a ledger's row is text, and what is left of it when the text's lifetime is over. SQL, no I/O.

Text is what somebody may have written in their own words: prompts, answers, chunks, comments, corrections, notes,
unknown fields, raw lines. Keys and signals stay: ids, times, words of the contract, numbers, labels and features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.contracts.fields import Stream
from orchestration.lib.field_sql import quote

# What the ledger's `dead_letter_detail` says of a sound line whose texts are gone (dbt: macro is_text_expired). A
# column of its own would be missing in files that are not written anew.
TEXT_EXPIRED = "text_expired"
# What the gate's profile asks of a dead letter's raw line (dbt_project/models/marts/partition_profile.sql).
_SENDERS = ("client_version", "source")
# The columns of `attributed_feedback` of which something goes.
TEXTS_OF_PAIR = (
    *("params", "input", "output", "output_text", "components", "inference_extras"),
    *("corrected_output", "comment", "value", "feedback_extras"),
)
_NO_TEXT = "('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE', 'BOOLEAN', 'NULL')"


@dataclass(frozen=True)
class TextField:
    """A column: SQL for whether a row has text in it, and for what is left of it where it does."""

    has_text: str
    left: str


def text_fields(stream: Stream) -> Mapping[str, TextField]:
    """The columns of a stream's sound lines that may hold text."""
    return _FIELDS[stream.name]


def hashed_input() -> TextField:
    """The input with its sha256 in place of its texts, which are kept elsewhere (text_store.py)."""
    has_text = _FIELDS["inferences"]["input"].has_text
    elements = _elements("input", "$.retrieved", _CHUNK)
    sha256 = "'\"' || sha256(input) || '\"'"
    return TextField(has_text, _object("input", ("features",), retrieved=elements, text_sha256=sha256))


def raw_left(stream: Stream) -> str:
    """SQL for what is left of a dead letter's line: who sent it, where that is no text."""
    if stream.name != "feedback":
        return "null::varchar"
    members = []
    for name in _SENDERS:
        sent = f'nullif(regexp_extract(raw, \'"{name}"\\s*:\\s*"([^"\\\\]*)"\', 1), \'\')'
        shown = f"case when regexp_full_match({sent}, '[A-Za-z0-9][A-Za-z0-9._+:/@-]{{0,63}}') then {sent} else '?' end"
        members.append(f"case when {sent} is not null then '\"{name}\":\"' || {shown} || '\"' end")
    return f"case when raw is not null then '{{' || concat_ws(',', {', '.join(members)}) || '}}' end"


def _object(source: str, keys: Sequence[str], **made: str) -> str:
    """SQL for the JSON object with some members of another, and those that are made; what is not there is left out."""
    members = [f"'\"{key}\":' || json_extract({source}, '$.{key}')::varchar" for key in keys]
    members += [f"'\"{name}\":' || {value}" for name, value in made.items()]
    return f"'{{' || concat_ws(',', {', '.join(members)}) || '}}'"


def _has_other(source: str, keys: Sequence[str], *, depth: int = 1) -> str:
    """SQL for whether a JSON object has members beside those, which are not null."""
    key = f"k{depth}"
    pointer = f"'/' || replace(replace({key}, '~', '~0'), '/', '~1')"
    known = ", ".join(quote(one) for one in keys)
    others = (
        f"list_filter(json_keys({source}), lambda {key}: {key} not in ({known}) "
        f"and json_type(json_extract({source}, {pointer})) <> 'NULL')"
    )
    return f"coalesce(len({others}) > 0, false)"


def _elements(source: str, path: str, keys: Sequence[str]) -> str:
    """SQL for a JSON array whose objects have some of their members left, and whose texts are null."""
    left = (
        f"case when json_type(e) = 'OBJECT' then {_object('e', keys)} "
        f"when json_type(e) in {_NO_TEXT} then e::varchar else 'null' end"
    )
    array = f"array_to_string(list_transform(json_extract({source}, '{path}[*]'), lambda e: {left}), ',')"
    return f"case when json_type({source}, '{path}') = 'ARRAY' then '[' || {array} || ']' end"


def _have_text(source: str, path: str, keys: Sequence[str]) -> str:
    """SQL for whether an element of a JSON array is text, or an object with other members."""
    of_element = (
        f"case when json_type(e) = 'OBJECT' then {_has_other('e', keys, depth=2)} "
        f"else json_type(e) not in {_NO_TEXT} end"
    )
    return (
        f"coalesce(len(list_filter(json_extract({source}, '{path}[*]'), lambda e: {of_element})) > 0, false) "
        # What should be an array and is none has no elements.
        f"or coalesce(json_type({source}, '{path}') not in ('ARRAY', 'NULL'), false)"
    )


_CHUNK = ("chunk_id", "document_id", "index_version", "rank", "score")
_ALTERNATIVE = ("label", "score")
_COMPONENT = ("name", "kind", "model_version", "weight")
_OUTPUT = ("label", "score", "finish_reason", "text_md5")
_SYSTEM = ("latency_ms", "hardware", "region", "input_tokens", "output_tokens")
# Of an arm's choice that is told by the hash of its text, the hash (dbt_project/macros/policy.sql).
_TEXT_MD5 = (
    "case when propensity > 0 and json_extract_string(output, '$.label') is null "
    "then '\"' || md5(json_extract_string(output, '$.text')) || '\"' end"
)
# Settings that are numbers and switches say nothing in words.
_NUMBERS = (
    "'{' || array_to_string(list_transform(list_filter(json_keys(params), "
    "lambda k: json_type(json_extract(params, '/' || replace(replace(k, '~', '~0'), '/', '~1'))) in "
    f"{_NO_TEXT}), lambda k: to_json(k)::varchar || ':' || "
    "json_extract(params, '/' || replace(replace(k, '~', '~0'), '/', '~1'))::varchar), ',') || '}'"
)
_HAS_WORDS = (
    "coalesce(len(list_filter(json_keys(params), lambda k: "
    f"json_type(json_extract(params, '/' || replace(replace(k, '~', '~0'), '/', '~1'))) not in {_NO_TEXT})) > 0, false)"
)
_EXTRAS = TextField("coalesce(len(json_keys(extras)) > 0, false)", "null::varchar")


def _plain(column: str) -> TextField:
    return TextField(f"{column} is not null", "null::varchar")


_FIELDS: dict[str, dict[str, TextField]] = {
    "inferences": {
        "params": TextField(_HAS_WORDS, _NUMBERS),
        "input": TextField(
            f"({_has_other('input', ('features', 'retrieved', 'text_sha256'))} "
            f"or {_have_text('input', '$.retrieved', _CHUNK)})",
            _object("input", ("features",), retrieved=_elements("input", "$.retrieved", _CHUNK)),
        ),
        "output": TextField(
            f"({_has_other('output', (*_OUTPUT, 'alternatives'))} "
            f"or {_have_text('output', '$.alternatives', _ALTERNATIVE)})",
            _object(
                "output",
                ("label", "score", "finish_reason"),
                alternatives=_elements("output", "$.alternatives", _ALTERNATIVE),
                text_md5=_TEXT_MD5,
            ),
        ),
        "components": TextField(_have_text("components", "$", _COMPONENT), _elements("components", "$", _COMPONENT)),
        "system": TextField(_has_other("system", _SYSTEM), _object("system", _SYSTEM)),
        "extras": _EXTRAS,
    },
    "feedback": {
        "corrected_output": _plain("corrected_output"),
        "comment": _plain("comment"),
        "value": TextField(f"coalesce(json_type(value) not in {_NO_TEXT}, false)", "null::varchar"),
        "target": TextField(_has_other("target", ("kind", "id")), _object("target", ("kind", "id"))),
        "extras": _EXTRAS,
    },
    "reviews": {"note": _plain("note"), "extras": _EXTRAS},
}
