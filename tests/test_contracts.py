"""One source of truth: the published schemas, the ledger's columns and the dbt project's words agree."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import LANDED_STREAMS, json_schema, schema_path
from orchestration.contracts.published import published_files
from orchestration.contracts.reasons import DEAD_LETTER_REASONS, STATE_REASONS, STATES
from orchestration.lib.dbt import PROJECT_DIR
from orchestration.lib.ledger import arrow_schema
from orchestration.lib.ledger_sql import ledger_columns
from orchestration.lib.settings import REPOSITORY, SETTINGS, Settings, SettingsError

VERSIONS = [(stream, version) for stream in LANDED_STREAMS for version in range(1, stream.version + 1)]


def test_what_is_published_is_what_the_descriptions_make() -> None:
    for path, text in published_files(LANDED_STREAMS).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not up to date: run `make schemas`"


@pytest.mark.parametrize(("stream", "version"), VERSIONS, ids=lambda v: getattr(v, "name", str(v)))
def test_the_ledger_has_a_column_for_every_field_of_the_schema(stream: Stream, version: int) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(stream, version))
    published = json.loads(schema_path(stream, version).read_text(encoding="utf-8"))["properties"]
    fields = stream.fields_of(version)
    aliases = {alias for f in fields for alias in f.aliases} | {stream.envelope}
    columns = ledger_columns(stream, version)
    assert published.keys() - aliases == {f.name for f in fields}
    types = {"number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN"}
    for f in fields:
        wanted = {types.get(t, "VARCHAR") for t in published[f.name].get("type", []) if t != "null"} or {"VARCHAR"}
        if published[f.name].get("format") == "date-time":
            wanted = {"TIMESTAMPTZ"}
        assert columns[f.ledger_column] in wanted, f.name
    assert arrow_schema(stream).names == list(ledger_columns(stream))
    assert list(columns)[:-1] == [c for c in ledger_columns(stream) if c in columns][:-1]


@pytest.mark.parametrize(("stream", "version"), VERSIONS, ids=lambda v: getattr(v, "name", str(v)))
def test_the_examples_are_valid(stream: Stream, version: int) -> None:
    assert stream.examples[version]
    for example in stream.examples[version]:
        jsonschema.validate(json.loads(example), json_schema(stream, version))


def test_the_models_know_the_same_states_and_reasons() -> None:
    macro = (PROJECT_DIR / "macros" / "states.sql").read_text(encoding="utf-8")
    assert tuple(re.findall(r"'(\w+)'", macro)) == STATES
    tests = _data_tests(PROJECT_DIR / "models" / "marts" / "_marts.yml")
    reasons = tests["status_reason_belongs_to_state"]["arguments"]["reasons"]
    wanted = {state: set(codes) for state, codes in STATE_REASONS.items() if codes}
    assert {state: set(codes) for state, codes in reasons.items()} == wanted
    assert set(tests["dead_letter_reason_is_known"]["arguments"]["values"]) == set(DEAD_LETTER_REASONS)


def _data_tests(path: Path) -> dict[str, Any]:
    """The data tests of a properties file, by their name."""
    found: dict[str, Any] = {}

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("name"), str) and "arguments" in node:
                found[node["name"]] = node
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def test_the_readme_lists_every_setting_with_its_default() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name, default, meaning in SETTINGS:
        assert f"| `{name}` | `{default}` | {meaning} |" in readme


@pytest.mark.parametrize(
    "env",
    [
        {"FEEDBACK_FIRST_DAY": "yesterday"},
        {"FEEDBACK_ATTRIBUTION_WINDOW_DAYS": "-1"},
        {"FEEDBACK_DATA_DOCS": "perhaps"},
        {"FEEDBACK_DUCKDB_MEMORY_LIMIT": "plenty"},
        {"FEEDBACK_DATADIR": "misspelt"},
        {"FEEDBACK_WAREHOUSE": "data/feedback-2024.duckdb"},
    ],
)
def test_a_setting_that_is_no_good_is_named(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(env))):
        Settings.from_env(env)
