"""What is declared of experiments: the control of an endpoint, from when on it counts, how its traffic should be split.

One declarative file (FEEDBACK_EXPERIMENTS), checked when it is loaded and passed to dbt (macros/experiments.sql).
Nothing has to be declared: arms are compared as they are logged.
"""

from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib.yaml_files import load_mapping

_FIELDS = ("control", "since", "shares")


class ExperimentsError(ValueError):
    """The experiments' file can not be used; the message names the file, the field and the cure."""


def load_experiments(path: Path) -> dict[str, dict[str, Any]]:
    """Endpoint to `control` (an arm), `since` (ISO date) and `shares` (arm to weight), each or None.

    Raises ExperimentsError.
    """
    content = load_mapping(
        path,
        error=ExperimentsError,
        named_by="FEEDBACK_EXPERIMENTS names what is declared of them",
        holds="endpoints, e.g. `/chat: {control: stable}`",
    )
    return {endpoint: _experiment(path, endpoint, given) for endpoint, given in content.items()}


def _experiment(path: Path, endpoint: Any, given: Any) -> dict[str, Any]:
    place = f"{path}: {endpoint}"
    if not isinstance(endpoint, str):
        raise ExperimentsError(f"{place}: an endpoint is text; put it in quotes")
    if not isinstance(given, dict) or not given.keys() <= set(_FIELDS):
        raise ExperimentsError(f"{place}: may say {', '.join(_FIELDS)}, not {given!r}")
    control, since, shares = (given.get(field) for field in _FIELDS)
    if control is not None and not isinstance(control, str):
        raise ExperimentsError(f"{place}.control: must be the name of an arm, not {control!r}; put it in quotes")
    if since is not None and type(since) is not date:  # a datetime is a date, too
        raise ExperimentsError(f"{place}.since: must be a day such as 2024-01-15, not {since!r}")
    if shares is not None:
        _check_shares(f"{place}.shares", shares)
        if since is None:
            raise ExperimentsError(f"{place}.since: is missing; name the day from which traffic is split by `shares`")
    return {"control": control, "since": since.isoformat() if since else None, "shares": shares}


def _check_shares(place: str, shares: Any) -> None:
    if not isinstance(shares, dict) or len(shares) < 2:
        raise ExperimentsError(f"{place}: must give two arms or more, e.g. {{stable: 95, canary: 5}}, not {shares!r}")
    for arm, share in shares.items():
        if not isinstance(arm, str):
            raise ExperimentsError(f"{place}: the arm {arm!r} is no text; put it in quotes")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < float("inf"):
            raise ExperimentsError(
                f"{place}.{arm}: must be a number above 0, not {share!r}; leave out what gets nothing"
            )
