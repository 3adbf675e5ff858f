"""Settings files: YAML that is a mapping, or a sentence that says what is wrong."""

from pathlib import Path
from typing import Any

import yaml


def load_mapping(path: Path, *, error: type[ValueError], named_by: str, holds: str) -> dict[Any, Any]:
    """The content of a file, empty where nothing is in it. Raises `error`.

    `named_by` ends the sentence about a file that is not there, `holds` the one about a file that is no mapping.
    """
    if not path.exists():
        raise error(f"{path}: there is no such file; {named_by}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as problem:
        raise error(f"{path}: is no YAML: {problem}") from None
    if not isinstance(content, dict):
        raise error(f"{path}: must be a mapping of {holds}")
    return content
