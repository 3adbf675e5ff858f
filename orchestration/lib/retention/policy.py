"""The retention policy as its file has it: how many days a stream's landing files stay, and what is held.

landing: {inferences: 30, feedback: 30}    # days after the received date; a stream that is not named stays
hold:                                      # exempt from retention and from erasure, while a law asks for it
  users: [user_xyz]
  streams: [reviews]
  days: [2024-01-15]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.contracts.json_schema import LANDED_STREAMS
from orchestration.lib.settings import SettingsError
from orchestration.lib.yaml_files import load_mapping

_STREAMS = tuple(stream.name for stream in LANDED_STREAMS)


@dataclass(frozen=True)
class Hold:
    """What stays whatever its age, and who may not be erased."""

    users: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    days: frozenset[date] = frozenset()


@dataclass(frozen=True)
class RetentionPolicy:
    """Days by stream, and what is held. Without a file nothing expires and nothing is held."""

    landing: Mapping[str, int]
    hold: Hold


def load_policy(path: Path) -> RetentionPolicy:
    """Raises SettingsError, naming file, field and cure."""
    # No file has to be there; one that a setting names and is not was refused with the settings.
    content = load_mapping(path, error=SettingsError, named_by="", holds="landing, hold") if path.exists() else None
    told = _mapping(path, "the file", content, ("landing", "hold"))
    landing = _mapping(path, "landing", told.get("landing"), _STREAMS)
    for stream, days in landing.items():
        if type(days) is not int or days < 1:
            raise SettingsError(f"{path.name}: landing.{stream} is {days!r}; write a number of days from 1 on")
    hold = _mapping(path, "hold", told.get("hold"), ("users", "streams", "days"))
    users = _list(path, "hold.users", hold.get("users"), str, "user ids as texts")
    streams = _list(path, "hold.streams", hold.get("streams"), str, f"names of {', '.join(_STREAMS)}")
    days = _list(path, "hold.days", hold.get("days"), date, "days as YYYY-MM-DD")
    if unknown := sorted(set(streams) - set(_STREAMS)):
        raise SettingsError(f"{path.name}: hold.streams has {unknown[0]!r}; the streams are {', '.join(_STREAMS)}")
    return RetentionPolicy(landing, Hold(frozenset(users), frozenset(streams), frozenset(days)))


def _mapping(path: Path, field: str, value: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not value.keys() <= set(known):
        raise SettingsError(f"{path.name}: {field} must be a mapping of {', '.join(known)}")
    return value


def _list(path: Path, field: str, value: Any, kind: type, wanted: str) -> list[Any]:
    found = value or []
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise SettingsError(f"{path.name}: {field} must be a list of {wanted}")
    return found
