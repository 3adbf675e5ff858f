"""What is published of the events and made from their description, all of it by `make schemas`.

The JSON Schemas, the page for producers (docs/events.md), and in the dbt project the columns that later schema
versions brought. A test fails where a file is not what this module would write. A published schema is never
changed: producers hold on to it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from orchestration.contracts.fields import Field, Stream
from orchestration.contracts.versions import SchemaVersionError
from orchestration.lib.settings import REPOSITORY

EVENTS_PAGE = REPOSITORY / "docs" / "events.md"
COLUMNS_MACRO = REPOSITORY / "dbt_project" / "macros" / "schema_columns.sql"
MARTS_YML = REPOSITORY / "dbt_project" / "models" / "marts" / "_marts.yml"
STAGING_YML = REPOSITORY / "dbt_project" / "models" / "staging" / "_staging.yml"

_BEGIN, _END = "      # <{}: made by `make schemas`>\n", "      # </{}>\n"
# Changing these changes no event's validity.
_WORDS = {"description", "examples", "title"}


def published_files(streams: tuple[Stream, ...]) -> dict[Path, str]:
    """Every file with the text that it has to have. Raises SchemaVersionError for a changed published schema."""
    from orchestration.contracts.json_schema import schema_path, schema_text

    files: dict[Path, str] = {}
    for stream in streams:
        for version in range(1, stream.version + 1):
            path = schema_path(stream, version)
            files[path] = schema_text(stream, version)
            if path.exists():
                _refuse_change(path, files[path])
    files[EVENTS_PAGE] = events_page(streams)
    files[COLUMNS_MACRO] = _columns_macro(streams)
    files[MARTS_YML] = _marts_yml(streams)
    files[STAGING_YML] = _staging_yml(streams)
    return files


def _refuse_change(path: Path, text: str) -> None:
    if _rules(json.loads(path.read_text(encoding="utf-8"))) != _rules(json.loads(text)):
        raise SchemaVersionError(
            f"{path.name} is published and would change what it allows: producers hold on to it. "
            "Leave that version as it is, and write the change as a new one."
        )


def _rules(schema: Any) -> Any:
    """A schema without its words. A field may be called `description`, so only texts are words."""
    if isinstance(schema, dict):
        return {k: _rules(v) for k, v in schema.items() if not (k in _WORDS and isinstance(v, (str, list)))}
    return [_rules(item) for item in schema] if isinstance(schema, list) else schema


# -- the page for producers -----------------------------------------------------------------------------


def events_page(streams: tuple[Stream, ...]) -> str:
    """What producers may send, as Markdown: fields, types, versions, examples."""
    parts = [
        "# Events\n\nWhat producers may send. This page is made by `make schemas`; do not edit it.\n\n"
        "One JSON object a line. `schema_version` says by which version an event is read, and may be left out of "
        "events of version 1. Producers of all versions may write at once, also into one file. Fields that a version "
        "does not know are kept. Times are RFC 3339; one without an offset is UTC.\n"
    ]
    for stream in streams:
        versions = range(stream.version, 0, -1)
        parts.append(f"## {stream.event.capitalize()}\n\n{stream.description} Lands in `landing/{stream.name}/`.\n")
        if stream.envelope:
            parts.append(f"The same fields nested under `{stream.envelope}{{}}` mean the same.\n")
        links = ", ".join(
            f"[version {v}](../orchestration/contracts/schemas/{stream.event}.v{v}.json)" for v in reversed(versions)
        )
        parts.append(f"JSON Schemas: {links}.\n")
        parts.append("| field | type | versions | meaning |\n|---|---|---|---|")
        parts += [_page_row(f, stream.version) for f in stream.fields]
        parts.append("")
        for version in versions:
            parts += [f"### {stream.event.capitalize()} version {version}\n"]
            if version > 1:
                parts += [*_what_changed(stream, version), ""]
            if stream.examples.get(version):
                parts += ["```json", *stream.examples[version], "```\n"]
    return "\n".join(parts).rstrip("\n") + "\n"


def _page_row(f: Field, newest: int) -> str:
    if f.until:
        versions = f"{f.since}–{f.until}" if f.until > f.since else str(f.since)
    else:
        versions = f"from {f.since}" if f.since < newest or newest == 1 else str(f.since)
    kind = f.kind.label + (": " + ", ".join(f"`{word}`" for word in f.enum) if f.enum else "")
    names = ", ".join(f"`{name}`" for name in (f.name, *f.aliases))
    required = " **Required.**" if f.required else ""
    default = f" Default: `{f.default}`." if f.default is not None else ""
    inner = "".join(f"<br>`{f.name}.{p.name}` ({p.kind.label}): {p.description}" for p in f.properties)
    return f"| {names} | {kind} | {versions} | {f.description}{required}{default}{inner} |"


def _what_changed(stream: Stream, version: int) -> list[str]:
    """A version's changes in sentences, each with what becomes of older events."""
    parts = {part for split in stream.splits for part in split.parts}
    said = []
    for f in stream.fields:
        if f.since == version and f.ledger_column != f.name:
            old = next(g.name for g in stream.fields if g.ledger_column == f.ledger_column and g.until == version - 1)
            said.append(f"- `{old}` is called `{f.name}`.")
        elif f.since == version and f.ledger_column not in parts:
            lifted = f" Older events are read from `{f.lift}`." if f.lift else ""
            said.append(f"- `{f.name}` is new.{lifted}")
    for split in stream.splits:
        if split.since == version:
            into = " and ".join(f"`{part}`" for part in split.parts)
            said.append(
                f"- `{split.whole}` is given as {into}. Older events are taken apart at `{split.separator}`; "
                f"without one, all of it is `{split.parts[-1]}`."
            )
    return said


# -- the dbt project ------------------------------------------------------------------------------------


def new_columns(stream: Stream) -> list[Field]:
    """The fields that gave the ledger a column after version 1."""
    first = {f.ledger_column for f in stream.fields_of(1)}
    return [f for f in stream.fields if f.since > 1 and f.ledger_column not in first and f.name == f.ledger_column]


def _mart_columns(streams: tuple[Stream, ...]) -> list[tuple[str, Field, Stream]]:
    """Name in `attributed_feedback`, field and stream of the columns that later versions brought."""
    pairs = [s for s in streams if s.name in ("feedback", "inferences")]
    return [(f.mart or f.ledger_column, f, s) for s in pairs for f in new_columns(s)]


def _columns_macro(streams: tuple[Stream, ...]) -> str:
    lines = [f"        {{{{ {s.name} }}}}.{f.ledger_column} as {name}," for name, f, s in _mart_columns(streams)]
    (inferences,) = (s for s in streams if s.name == "inferences")
    of_inference = ", ".join(f"'{f.ledger_column}'" for f in new_columns(inferences))
    return (
        "{# Made by `make schemas`: what later schema versions brought. Do not edit. #}\n\n"
        "{# The columns of a pair. #}\n"
        "{% macro schema_columns(feedback, inferences) -%}\n" + "\n".join(lines) + "\n{%- endmacro %}\n\n"
        "{# The columns of an inference. #}\n"
        "{% macro new_inference_columns() -%}\n    {{ return([" + of_inference + "]) }}\n{%- endmacro %}\n"
    )


def _marts_yml(streams: tuple[Stream, ...]) -> str:
    columns = _mart_columns(streams)
    text = MARTS_YML.read_text(encoding="utf-8")
    own = [f"      - &{name} {_yml_column(name, f)}\n" for name, f, _ in columns]
    again = [f"      - *{name}\n" for name, _, _ in columns]
    text = _between(text, "columns of later schema versions", own)
    text = _between(text, "columns of later schema versions, again", again)
    for name, f, s in columns:
        # Of the first model only: the second repeats the first one's columns.
        if text[: text.index("  - name: feedback_under_review")].count(f"{{name: {name},") > 1:
            raise SchemaVersionError(
                f"{s.event}.v{f.since}.yml: field {f.name!r} would be the column {name!r} of attributed_feedback, "
                f"which has one of that name. Give it another there: `mart: {s.event}_{f.name}`."
            )
    return text


def _staging_yml(streams: tuple[Stream, ...]) -> str:
    text = STAGING_YML.read_text(encoding="utf-8")
    # An erasure has no model.
    for stream in (s for s in streams if s.name != "erasures"):
        columns = [f"      - {_yml_column(f.ledger_column, f)}\n" for f in new_columns(stream)]
        text = _between(text, f"columns of later versions of {stream.name}", columns)
    return text


def _yml_column(name: str, f: Field) -> str:
    kind = {"timestamptz": "timestamp with time zone"}.get(f.kind.ledger_type.lower(), f.kind.ledger_type.lower())
    return f"{{name: {name}, data_type: {kind}, description: {json.dumps(f.description, ensure_ascii=False)}}}"


def _between(text: str, mark: str, lines: list[str]) -> str:
    begin, end = _BEGIN.format(mark), _END.format(mark)
    before, _, rest = text.partition(begin)
    if not rest:
        raise SchemaVersionError(f"the line {begin.strip()!r} is gone, between which and its end columns are written")
    return before + begin + "".join(lines) + end + rest.partition(end)[2]


def main() -> int:
    """Writes every file that differs; 2 where a version is refused, with all reasons."""
    try:
        from orchestration.contracts.json_schema import LANDED_STREAMS

        files = published_files(LANDED_STREAMS)
    except SchemaVersionError as error:
        print(error, file=sys.stderr)
        return 2
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
