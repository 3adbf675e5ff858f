"""The rules that flag feedback: what their models declare, and what the settings change of it.

A rule is a dbt model (dbt_project/models/rules); the macro `rule` at its top declares it. The settings file
turns rules off and moves their thresholds without touching a model.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.lib.yaml_files import load_mapping

# How many days before the judged one a rule looks at, and for how long after it came a line may be flagged.
RULES_WINDOW_DAYS = 30


class RuleSettingsError(ValueError):
    """The rules' settings can not be used; the message names the file, the field and the cure."""


@dataclass(frozen=True)
class Rule:
    """What a rule's model declares."""

    name: str
    description: str
    source: str
    state: str
    reason: str
    threshold: Mapping[str, Any]
    priority: int
    enabled: bool


def declared_rules(manifest: Path) -> dict[str, Rule]:
    """The rules by name, as dbt's manifest has them."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    declared = [node["config"]["meta"]["rule"] for node in nodes if "rule" in node["config"].get("meta", {})]
    return {rule["name"]: Rule(**rule) for rule in sorted(declared, key=lambda rule: rule["priority"])}


def load_rule_settings(path: Path, rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
    """What the settings change: rule to `enabled` and `threshold`. Raises RuleSettingsError."""
    content = load_mapping(
        path,
        error=RuleSettingsError,
        named_by="FEEDBACK_RULES names the rules' settings",
        holds="rules, e.g. `burst: {enabled: false}`",
    )
    for name, given in content.items():
        if name not in rules:
            raise RuleSettingsError(f"{path}: there is no rule {name!r}; the rules are {', '.join(rules)}")
        _check(f"{path}: {name}", given, rules[name])
    return content


def _check(place: str, given: Any, rule: Rule) -> None:
    if not isinstance(given, dict) or not given.keys() <= {"enabled", "threshold"}:
        raise RuleSettingsError(f"{place}: may say `enabled` and `threshold`, not {given!r}")
    if not isinstance(given.get("enabled", True), bool):
        raise RuleSettingsError(f"{place}.enabled: must be true or false, not {given['enabled']!r}")
    thresholds = given.get("threshold", {})
    if not isinstance(thresholds, dict):
        raise RuleSettingsError(f"{place}.threshold: must be a mapping, e.g. `{{events: 30}}`")
    for threshold, value in thresholds.items():
        if threshold not in rule.threshold:
            known = ", ".join(rule.threshold) or "none"
            raise RuleSettingsError(f"{place}.threshold: there is no {threshold!r}; there is {known}")
        default = rule.threshold[threshold]
        wanted = (int, float) if isinstance(default, (int, float)) else type(default)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise RuleSettingsError(f"{place}.threshold.{threshold}: must be like {default!r}, not {value!r}")
        if isinstance(default, list) and not all(isinstance(v, str) and "'" not in v for v in value):
            raise RuleSettingsError(f"{place}.threshold.{threshold}: must be a list of plain words")
