"""The gate's thresholds: how much of a partition may be bad before it is not published.

Values and the reasons for them are in `thresholds.yml`; this module only reads and checks such a file.
Numbers that follow from the contract's rules (reward from -1 to 1, the attribution window) are no
thresholds: they belong to the suites.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import yaml

DEFAULT_THRESHOLDS = Path(__file__).with_name("thresholds.yml")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Shares from 0 to 1; the defaults are the contract's default gate."""

    max_dead_letter_share: float = 0.20
    max_invalid_share: float = 0.20


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
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: is not YAML; write lines such as 'max_dead_letter_share: 0.2' ({error})") from None
    if content is None:
        return Thresholds()
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold keys and values; write lines such as 'max_dead_letter_share: 0.2'")
    return Thresholds(**{_key(path, key): _share(path, key, value) for key, value in content.items()})


def _key(path: Path, key: object) -> str:
    known = [f.name for f in fields(Thresholds)]
    if key not in known:
        raise ValueError(f"{path}: {key} is no threshold; remove it or write one of {', '.join(known)}")
    return str(key)


def _share(path: Path, key: object, value: object) -> float:
    # bool is an int to Python: `true` would pass as 100 %.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{path}: {key} is {value!r}; write a number from 0 to 1, such as 0.2 for 20 %")
    if not 0 <= value <= 1:
        raise ValueError(f"{path}: {key} is {value}, outside 0 to 1; for 20 % write 0.2")
    return float(value)
