"""The gate's thresholds: how much of a partition may be bad, or new, before it is not published.

Values and the reasons for them are in `thresholds.yml`; this module only reads and checks such a file.
Numbers that follow from the contract's rules (reward from -1 to 1, the attribution window) are no
thresholds: they belong to the suites.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

DEFAULT_THRESHOLDS = Path(__file__).with_name("thresholds.yml")
_RECENT_PAST = "recent_past"


@dataclass(frozen=True, kw_only=True)
class RecentPast:
    """What a partition is compared with, and from which change on it is warned of or blocked."""

    history_days: int = 28
    min_days: int = 5
    new_normal_from: tuple[date, ...] = ()
    day_to_day: float = 0.002
    min_lines: int = 5
    warn_surprise: float = 3.0
    warn_share: float = 0.01
    block_surprise: float = 5.0
    block_share: float = 0.03
    composition_share: float = 0.10
    volume_factor: float = 2.0
    block_volume_factor: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Shares from 0 to 1; the defaults are the contract's default gate."""

    max_dead_letter_share: float = 0.20
    max_invalid_share: float = 0.20
    recent_past: RecentPast = RecentPast()


def load_thresholds(path: Path | None = None) -> Thresholds:
    """Reads a thresholds file (default: the one of this package). A key that it leaves out keeps its default.

    Raises ValueError, naming file, key and cure, for anything that can not be meant.
    """
    path = path or DEFAULT_THRESHOLDS
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: can not be read ({error.strerror}); name a file that exists") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8; save it as UTF-8") from None
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a day such as 2024-02-31 is a ValueError
        raise ValueError(f"{path}: is not YAML; write lines such as 'max_dead_letter_share: 0.2' ({error})") from None
    if content is None:
        return Thresholds()
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold keys and values; write lines such as 'max_dead_letter_share: 0.2'")
    return Thresholds(**_checked(path, content, kind=Thresholds, prefix="", checks=_CHECKS))


def _checked(
    path: Path, content: Mapping[object, object], *, kind: type, prefix: str, checks: "Mapping[str, _Check]"
) -> dict[str, Any]:
    known = [f.name for f in fields(kind)]
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in known:
            raise ValueError(
                f"{path}: {prefix}{key} is no threshold; remove it or write one of "
                f"{', '.join(prefix + name for name in known)}"
            )
        values[str(key)] = checks[str(key)](path, f"{prefix}{key}", value)
    return values


_Check = Callable[[Path, str, object], Any]


def _share(path: Path, key: str, value: object) -> float:
    number = _number(path, key, value, "write a number from 0 to 1, such as 0.2 for 20 %")
    if not 0 <= number <= 1:
        raise ValueError(f"{path}: {key} is {value}, outside 0 to 1; for 20 % write 0.2")
    return number


def _at_least(least: float, example: str) -> _Check:
    def check(path: Path, key: str, value: object) -> float:
        number = _number(path, key, value, f"write a number, such as {example}")
        if not least <= number < float("inf"):
            raise ValueError(f"{path}: {key} is {value}; write a number of at least {least:g}, such as {example}")
        return number

    return check


def _whole(least: int) -> _Check:
    def check(path: Path, key: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{path}: {key} is {value!r}; write a whole number of at least {least}")
        return value

    return check


def _volume_factor(path: Path, key: str, value: object) -> float:
    number = _number(path, key, value, "write a factor such as 10, or 0 for never")
    if not (number == 0 or 1 < number < float("inf")):
        raise ValueError(f"{path}: {key} is {value}; write a factor above 1, such as 10, or 0 for never")
    return number


def _days(path: Path, key: str, value: object) -> tuple[date, ...]:
    days = value if isinstance(value, list) else [value]
    if not all(isinstance(day, date) and not isinstance(day, datetime) for day in days):
        raise ValueError(f"{path}: {key} is {value!r}; write a list of days, such as [2024-01-15]")
    return tuple(sorted(days))


def _recent_past(path: Path, key: str, value: object) -> RecentPast:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: {key} must hold keys and values; write lines such as '  block_share: 0.03'")
    past = RecentPast(**_checked(path, value, kind=RecentPast, prefix=f"{key}.", checks=_RECENT_PAST_CHECKS))
    if past.min_days > past.history_days:
        raise ValueError(
            f"{path}: {key}.min_days is {past.min_days}, more than history_days ({past.history_days}), "
            "so that nothing would ever be compared; write a smaller number"
        )
    return past


def _number(path: Path, key: str, value: object, cure: str) -> float:
    # bool is an int to Python: `true` would pass as 100 %.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{path}: {key} is {value!r}; {cure}")
    return float(value)


_CHECKS: Mapping[str, _Check] = {
    "max_dead_letter_share": _share,
    "max_invalid_share": _share,
    _RECENT_PAST: _recent_past,
}
_RECENT_PAST_CHECKS: Mapping[str, _Check] = {
    "history_days": _whole(1),
    "min_days": _whole(2),
    "new_normal_from": _days,
    "day_to_day": _share,
    "min_lines": _whole(1),
    "warn_surprise": _at_least(0, "3"),
    "warn_share": _share,
    "block_surprise": _at_least(0, "5"),
    "block_share": _share,
    "composition_share": _share,
    "volume_factor": _at_least(1, "2"),
    "block_volume_factor": _volume_factor,
}
