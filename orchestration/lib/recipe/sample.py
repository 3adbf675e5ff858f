"""Sampling: which of a recipe's rows are drawn, by a hash of each row's key."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.lib.recipe.errors import RecipeError

# The rate of values that are not named, nulls among them.
OTHERS = "*"
_EXAMPLES = {
    "rates": "{variant: {canary: 1, '*': 0.1}}",
    "recency": "{half_life_days: 30}",
    "rehearsal": "{share: 0.2}",
    "balance": "{by: label, most_times: 1.5}",
}


@dataclass(frozen=True)
class Balance:
    """No class of `by` has more than `most_times` the rows of the smallest, times its own weight.

    Classes of fewer than `least_rows` rows are left as they are, and are not the smallest.
    """

    by: str
    most_times: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)
    least_rows: int = 1


@dataclass(frozen=True)
class Sample:
    """How rows are drawn. `rates` are column to value to the share of its rows; those of several columns multiply.

    A row is kept with a probability that halves with each `half_life_days`. Rows older than the recipe's window make up
    `rehearsal_share` of the whole.
    """

    seed: str = ""
    rates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    half_life_days: float | None = None
    rehearsal_share: float | None = None
    balance: Balance | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the recipe has it."""
        balance = self.balance
        fields = {
            "seed": self.seed,
            "rates": {column: dict(rates) for column, rates in self.rates.items()},
            "recency": {"half_life_days": self.half_life_days} if self.half_life_days else None,
            "rehearsal": {"share": self.rehearsal_share} if self.rehearsal_share else None,
            "balance": {**vars(balance), "weights": dict(balance.weights)} if balance else None,
        }
        return {name: value for name, value in fields.items() if value}


def parse_window_days(file: str, given: int) -> int:
    """The recipe's `window_days`. Raises RecipeError."""
    if isinstance(given, bool) or given < 1:
        raise RecipeError(f"{file}: window_days is {given!r}; write how many partitions, 1 or more")
    return given


def parse_sample(file: str, given: Mapping[str, Any]) -> Sample:
    """The recipe's `sample`. Raises RecipeError."""
    if not given or not given.keys() <= {"seed", *_EXAMPLES}:
        parts = ", ".join(f"`{name}`" for name in _EXAMPLES)
        raise RecipeError(f"{file}: sample must say some of {parts}, and may say `seed`, not {given!r}")
    for name in given.keys() - {"seed"}:
        if not isinstance(given[name], dict) or not given[name]:
            raise RecipeError(f"{file}: sample.{name} is {given[name]!r}; write e.g. {_EXAMPLES[name]}")
    half_life, share = (_only(file, given, *names) for names in (("recency", "half_life_days"), ("rehearsal", "share")))
    if half_life is not None and not _is_number(half_life, above=0):
        raise RecipeError(f"{file}: sample.recency.half_life_days is {half_life!r}; write a number above 0")
    if share is not None and not (_is_number(share, above=0) and share < 1):
        raise RecipeError(f"{file}: sample.rehearsal.share is {share!r}; write a share between 0 and 1")
    return Sample(
        seed=str(given.get("seed", "")),
        rates=_rates(file, given.get("rates", {})),
        half_life_days=half_life,
        rehearsal_share=share,
        balance=_balance(file, given["balance"]) if "balance" in given else None,
    )


def _only(file: str, given: Mapping[str, Any], name: str, part: str) -> Any:
    """The one part that a field has."""
    if name in given and given[name].keys() != {part}:
        raise RecipeError(f"{file}: sample.{name} must say `{part}` only, not {given[name]!r}; e.g. {_EXAMPLES[name]}")
    return given.get(name, {}).get(part)


def _rates(file: str, given: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    rates = {}
    for column, of_column in given.items():
        field_ = f"sample.rates.{column}"
        if not isinstance(of_column, dict) or not of_column:
            raise RecipeError(f"{file}: {field_} is {of_column!r}; write each value's share, e.g. {_EXAMPLES['rates']}")
        for value, rate in of_column.items():
            if not _is_number(rate, above=-1) or not 0 <= rate <= 1:
                raise RecipeError(f"{file}: {field_}.{value} is {rate!r}; write a share from 0 to 1")
        rates[str(column)] = {_text(file, field_, value): float(rate) for value, rate in of_column.items()}
    return rates


def _balance(file: str, given: Mapping[str, Any]) -> Balance:
    known = {"by", "most_times", "weights", "least_rows"}
    if not given.keys() <= known or not isinstance(given.get("by"), str):
        raise RecipeError(
            f"{file}: sample.balance must say `by` (a column), and may say `most_times`, `weights` and `least_rows`, "
            f"not {given!r}; e.g. {_EXAMPLES['balance']}"
        )
    times, weights, least = given.get("most_times", 1.0), given.get("weights", {}), given.get("least_rows", 1)
    if not _is_number(times, above=0) or times < 1:
        raise RecipeError(f"{file}: sample.balance.most_times is {times!r}; write 1 or more")
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise RecipeError(f"{file}: sample.balance.least_rows is {least!r}; write how many rows, 1 or more")
    if not isinstance(weights, dict) or not all(_is_number(weight, above=0) for weight in weights.values()):
        raise RecipeError(
            f"{file}: sample.balance.weights is {weights!r}; write how many times the rows of others each class may "
            "have, e.g. {correction: 3}"
        )
    of_class = {_text(file, "sample.balance.weights", value): float(weight) for value, weight in weights.items()}
    return Balance(given["by"], float(times), of_class, least)


def _is_number(value: Any, *, above: float) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float)) and above < value < math.inf


def _text(file: str, field_: str, value: Any) -> str:
    """A value as SQL reads it in quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or not isinstance(value, (str, int, float)):
        raise RecipeError(f"{file}: {field_}: {value!r} is no value; write text or a number (nulls go with {OTHERS!r})")
    return str(value)
