"""The retention policy as its file has it: how many days which data stay, and what is held.

landing: {inferences: 30, feedback: 30}    # days after the received date; a stream that is not named stays
texts: {inferences: 90, feedback: 90}      # the same for texts in ledger and warehouse; keys and signals stay
datasets: 30                               # days that a version stays after its last day as a partition's
hold:                                      # exempt from retention and from erasure, while a law asks for it
  users: [user_xyz]
  streams: [reviews]
  days: [2024-01-15]
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.contracts.json_schema import LANDED_STREAMS, STREAMS
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
    texts: Mapping[str, int] = field(default_factory=dict)
    datasets: int | None = None


def load_policy(path: Path) -> RetentionPolicy:
    """Raises SettingsError, naming file, field and cure."""
    # No file has to be there; one that a setting names and is not was refused with the settings.
    content = (
        load_mapping(path, error=SettingsError, named_by="", holds="landing, texts, datasets, hold")
        if path.exists()
        else None
    )
    told = _mapping(path, "the file", content, ("landing", "texts", "datasets", "hold"))
    landing = _days_by_stream(path, "landing", told.get("landing"), _STREAMS)
    texts = _days_by_stream(path, "texts", told.get("texts"), tuple(stream.name for stream in STREAMS))
    for stream, days in texts.items():
        if landing.get(stream, days + 1) > days:
            raise SettingsError(
                f"{path.name}: texts.{stream} is {days}, and landing files, which hold the texts, "
                f"{f'stay {landing[stream]} days' if stream in landing else 'stay for good'}; "
                f"write landing.{stream} with {days} days at most"
            )
    versions = told.get("datasets")
    if versions is not None:
        _check_days(path, "datasets", versions)
    hold = _mapping(path, "hold", told.get("hold"), ("users", "streams", "days"))
    users = _list(path, "hold.users", hold.get("users"), str, "user ids as texts")
    streams = _list(path, "hold.streams", hold.get("streams"), str, f"names of {', '.join(_STREAMS)}")
    held_days = _list(path, "hold.days", hold.get("days"), date, "days as YYYY-MM-DD")
    if unknown := sorted(set(streams) - set(_STREAMS)):
        raise SettingsError(f"{path.name}: hold.streams has {unknown[0]!r}; the streams are {', '.join(_STREAMS)}")
    held = Hold(frozenset(users), frozenset(streams), frozenset(held_days))
    return RetentionPolicy(landing, held, texts, versions)


def _days_by_stream(path: Path, name: str, value: Any, streams: tuple[str, ...]) -> dict[str, int]:
    given = _mapping(path, name, value, streams)
    for stream, days in given.items():
        _check_days(path, f"{name}.{stream}", days)
    return given


def _check_days(path: Path, name: str, days: Any) -> None:
    if type(days) is not int or days < 1:
        raise SettingsError(f"{path.name}: {name} is {days!r}; write a number of days from 1 on")


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
