"""Days whose landing files are gone: their ledger rows are brought to the keys of today without the lines.

With keys added, tokens become those of the whole chain; rows that were stored with raw ids, or before anything was
masked, are protected as their lines would be.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from orchestration.contracts.fields import Kind
from orchestration.lib.privacy.guard import Guard
from orchestration.lib.privacy.lines import LineRewriter, RewrittenLine
from orchestration.lib.privacy.placeholders import Placeholders
from orchestration.lib.privacy.pseudonyms import NUMBER_FROM, PREFIX, TOKEN_HEX
from orchestration.lib.privacy.recognizers.base import Hint
from orchestration.lib.privacy.text_masker import TextMasker

KEYS, FOUND = "pseudonym_keys", "personal_data"
_TOKEN = re.compile(rf"{PREFIX}[0-9a-f]{{{TOKEN_HEX}}}")
_NUMBER = re.compile(r"(?<![\w.])1[0-2]\d{14}(?![\w.])")
_NO_TEXT = {"source_file", "dead_letter_reason", "dead_letter_detail", "feedback_type", "thumbs", "decision"}


class KeysChanged(ValueError):
    """The keys of a stored day are not the first ones of today's chain; the message says what to do."""


@dataclass(frozen=True)
class KeptRows:
    """The rows as they may be stored from now on, and the metadata that say so."""

    rows: pa.Table
    metadata: dict[str, str]


def brought_forward(rows: pa.Table, metadata: Mapping[str, str], guard: Guard) -> KeptRows | None:
    """The rows of a stored day with today's keys; None where they have them. Raises KeysChanged."""
    stored: Sequence[str] = json.loads(metadata.get(KEYS, "[]"))
    now = list(guard.pseudonyms.fingerprints)
    is_masked = FOUND in metadata
    if stored == now and is_masked:
        return None
    if stored != now[: len(stored)]:
        raise KeysChanged(
            f"{guard.stream.name}: a day whose landing files are gone has tokens of other keys than the first ones of "
            "FEEDBACK_PSEUDONYM_KEY; set those again: a key is appended, never replaced or removed"
        )
    masker = TextMasker(Placeholders(guard.pseudonyms), guard.model)
    if is_masked and stored:
        rows = _later_tokens(rows, guard, since=len(stored))
    else:
        rows = _protected(rows, guard, masker, hints=frozenset() if is_masked else frozenset(Hint))
    found = metadata.get(FOUND) or json.dumps(dict(sorted(masker.counts.items())))
    told = {**metadata, KEYS: json.dumps(now), FOUND: found}
    told["ledger_version"] = f"{metadata.get('ledger_version', '')[:16]}-{'-'.join(now) or 'masked'}"
    return KeptRows(rows, told)


def _texts(rows: pa.Table) -> list[str]:
    return [f.name for f in rows.schema if pa.types.is_string(f.type) and f.name not in _NO_TEXT]


def _later_tokens(rows: pa.Table, guard: Guard, *, since: int) -> pa.Table:
    placeholders = Placeholders(guard.pseudonyms)

    def forward(value: str | None) -> str | None:
        if value is None:
            return None
        value = _TOKEN.sub(lambda match: guard.pseudonyms.forward(match[0], since=since), value)
        value = _NUMBER.sub(lambda match: _number(match[0]), value)
        return placeholders.forward(value, since=since)

    def _number(text: str) -> str:
        is_token = NUMBER_FROM <= int(text) < NUMBER_FROM + 2**48
        return guard.pseudonyms.forward_number(text, since=since) if is_token else text

    for name in _texts(rows):
        place = rows.schema.get_field_index(name)
        new = pa.array([forward(value) for value in rows[name].to_pylist()], pa.string())
        rows = rows.set_column(place, rows.schema.field(name), new)
    return rows


def _protected(rows: pa.Table, guard: Guard, masker: TextMasker, *, hints: frozenset[Hint]) -> pa.Table:
    """Each row as if its line were loaded now: all its user ids are known from all its columns."""
    rewriter = LineRewriter(guard.stream, guard.policy, guard.pseudonyms, masker)
    json_columns = {f.ledger_column for f in guard.stream.fields if f.kind.is_json} - {
        f.ledger_column for f in guard.stream.fields if f.kind is Kind.ANY
    } | {"extras", "raw"}
    names = _texts(rows)
    new: dict[str, list[str | None]] = {name: [] for name in names}
    for row in rows.select(names).to_pylist():
        ids = rewriter.ids_of(*(text for name in json_columns if (text := row.get(name))), user_id=row.get("user_id"))
        line = RewrittenLine(rewriter, hints, ids)
        for name in names:
            if name == "raw" and row[name] is not None:
                new[name].append(rewriter.rewrite(row[name].encode(), hints).decode())
            elif name == "user_id" and row.get("raw") and row[name] in ids and f'"{row[name]}"' not in row["raw"]:
                new[name].append(guard.pseudonyms.stored_number(row[name]))  # it was sent as a number, and refused
            else:
                new[name].append(_value(line, name, row[name], is_json=name in json_columns))
    for name in names:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), pa.array(new[name], pa.string()))
    return rows


def _value(line: RewrittenLine, name: str, value: Any, *, is_json: bool) -> str | None:
    if value is None:
        return None
    if not is_json:
        return str(json.loads(line.rewritten(json.dumps({name: value})))[name])
    if name == "extras":
        return line.rewritten(value)
    start = f'{{"{name}":'
    return line.rewritten(f"{start}{value}}}")[len(start) : -1]
