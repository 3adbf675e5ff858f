"""Rows of DuckDB and of Spark in one form, so that they can be held against each other. No engine is started here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

# What two engines may differ by where a column is a sum over many rows or a logarithm: a few of a double's last digits.
RELATIVE = 1e-9


def canonical(value: Any) -> Any:
    """Lists, structs, instants and numbers as plain values."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if hasattr(value, "asDict"):
        value = value.asDict()
    if isinstance(value, Mapping):
        return {name: canonical(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(part) for part in value]
    return value


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        if one is None or other is None or isinstance(one, str) or isinstance(other, str):
            return False
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-12)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def differences(
    ours: Iterable[Mapping[str, Any]], theirs: Iterable[Mapping[str, Any]], *, key: Sequence[str], most: int = 5
) -> list[str]:
    """In words, what one relation has otherwise than the other; the first few."""
    left, right = _by_key(ours, key), _by_key(theirs, key)
    found = [f"missing: {place}" for place in sorted(left.keys() - right.keys())[:most]]
    found += [f"not expected: {place}" for place in sorted(right.keys() - left.keys())[:most]]
    for place in sorted(left.keys() & right.keys()):
        for one, other in zip(left[place], right[place], strict=False):
            found += [
                f"{place}: {name} is {other.get(name)!r}, want {one[name]!r}"
                for name in one
                if not equal(one[name], other.get(name))
            ]
        if len(left[place]) != len(right[place]):
            found.append(f"{place}: {len(right[place])} rows, want {len(left[place])}")
    return found[: 4 * most]


def _by_key(rows: Iterable[Mapping[str, Any]], key: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    by_key: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        plain = {name: canonical(value) for name, value in row.items()}
        by_key.setdefault(repr([plain[name] for name in key] if key else sorted(plain)), []).append(plain)
    for same in by_key.values():
        same.sort(key=lambda row: repr(sorted((name, repr(value)) for name, value in row.items())))
    return by_key
