"""What the rules declare, and what their settings may say."""

from pathlib import Path

import pytest

from orchestration.lib.dbt import RULES_DIR, manifest_path
from orchestration.lib.feedback_rules import Rule, RuleSettingsError, declared_rules, load_rule_settings
from orchestration.lib.settings import REPOSITORY, Settings


@pytest.fixture(scope="module")
def rules() -> dict[str, Rule]:
    return declared_rules(manifest_path())


def test_every_file_of_the_folder_is_a_declared_rule(rules: dict[str, Rule]) -> None:
    assert {f"rule_{name}" for name in rules} == {path.stem for path in RULES_DIR.glob("*.sql")}
    for rule in rules.values():
        assert rule.description.endswith(".") and rule.source.endswith("."), rule.name
        assert rule.state in ("requires_human_review", "invalid"), rule.name


def test_the_readme_lists_every_rule(rules: dict[str, Rule]) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for rule in rules.values():
        assert f"| `{rule.name}` | {rule.description} |" in readme


def test_the_shipped_settings_change_nothing(rules: dict[str, Rule]) -> None:
    assert load_rule_settings(Settings.from_env({}).rules, rules) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bursts: {enabled: false}", "no rule 'bursts'; the rules are"),
        ("burst: off", "may say `enabled` and `threshold`"),
        ("burst: {enabled: maybe}", "burst.enabled: must be true or false"),
        ("burst: {threshold: {event: 30}}", "there is no 'event'; there is events, seconds"),
        ("burst: {threshold: {events: many}}", "burst.threshold.events: must be like 20"),
        ("burst: {threshold: 30}", "must be a mapping"),
        ("- burst", "must be a mapping of rules"),
        ("burst: {", "is no YAML"),
        ('faster_than_human: {threshold: {gestures: ["a\'b"]}}', "a list of plain words"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(
    rules: dict[str, Rule], tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleSettingsError, match=r"rules\.yml") as error:
        load_rule_settings(path, rules)
    assert says in str(error.value)
