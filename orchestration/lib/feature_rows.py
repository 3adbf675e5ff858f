"""Logged features as the numbers that a model takes, or the reason why an inference can not be explained. No I/O."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestration.lib.model_registry import ModelEntry

SKIP_REASONS: dict[str, str] = {
    "no_model": "The registry has no entry for its model version.",
    "missing_feature": "A feature that the model takes was not logged.",
    "missing_value": "A feature was logged as null, and the model takes no missing values.",
    "not_numeric": "A feature that the model takes as a number was logged as something else.",
    "not_categorical": "A feature that the model takes as a category was logged as a list or an object.",
}
# scikit-learn's trees compute in float32, and refuse what does not fit.
_LARGEST = float(np.finfo(np.float32).max)


@dataclass
class Encoder:
    """Turns logged features into rows of numbers; a category's number is its place in `categories`.

    What place a category gets does not matter: it is turned back before the model sees it.
    """

    entry: ModelEntry
    takes_missing: bool
    categories: dict[str, list[str]] = field(default_factory=dict)

    def encode(self, features: dict[str, Any]) -> list[float] | str:
        """One inference's row, in the model's order of features, or its skip reason."""
        row: list[float] = []
        for name in self.entry.features:
            if name not in features:
                return "missing_feature"
            value = self._category(name, features[name]) if name in self.entry.categorical else number(features[name])
            if isinstance(value, str):
                return value
            if math.isnan(value) and not self.takes_missing:
                return "missing_value"
            row.append(value)
        return row

    def _category(self, name: str, value: Any) -> float | str:
        if value is None:
            return math.nan
        if not isinstance(value, (str, bool, int, float)):
            return "not_categorical"
        text = value if isinstance(value, str) else json.dumps(value)
        known = self.categories.setdefault(name, [])
        if text not in known:
            known.append(text)
        return float(known.index(text))

    def decode(self, rows: npt.NDArray[np.float64]) -> Any:
        """The data frame that the model takes: (rows, features), categories as text."""
        import pandas as pd

        columns: dict[str, Any] = {}
        for position, name in enumerate(self.entry.features):
            column = rows[:, position]
            if name in self.entry.categorical:
                known = self.categories.get(name, [])
                values = [None if math.isnan(code) else known[int(code)] for code in column]
                columns[name] = pd.Series(values, dtype=object)
            else:
                columns[name] = column
        return pd.DataFrame(columns)


def number(value: Any) -> float | str:
    """A logged value as a number (null as NaN, booleans as 0 and 1), or the skip reason."""
    if value is None:
        return math.nan
    if not isinstance(value, (bool, int, float)) or not abs(value) <= _LARGEST:
        return "not_numeric"
    return float(value)


class _AsLogged(str):
    """A number's own text: 1.0 stays 1.0, and not 1."""


def parse_features(logged: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A JSON object of features as values, and each value's text as it was logged.

    What Python can not read (a number of thousands of digits, nesting without end) has no features.
    """
    try:
        values = json.loads(logged)
        texts = json.loads(logged, parse_float=_AsLogged, parse_int=_AsLogged)
    except (ValueError, RecursionError):
        return {}, {}
    return values, {
        name: str(text) if isinstance(text, _AsLogged) else json.dumps(text, ensure_ascii=False)
        for name, text in texts.items()
    }


def unknown_features(entry: ModelEntry, logged: Sequence[dict[str, Any]]) -> int:
    """How many features were logged that the model does not take, over all inferences' distinct names."""
    return len({name for features in logged for name in features} - set(entry.features))
