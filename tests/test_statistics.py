"""The formulas of macros/statistics.sql, run by DuckDB on draws from known distributions.

The failure that this prevents: an experiment that is looked at every day until it is "significant", which by a plain
z-test one in four is although its arms are the same.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import numpy as np
import pytest

MACROS = Path(__file__).parents[1] / "dbt_project" / "macros" / "statistics.sql"
EXPERIMENTS, DAYS = 1000, 30


def macros() -> Any:
    """The file's macros as dbt has them, for DuckDB."""
    environment = jinja2.Environment()
    environment.globals["return"] = lambda value: value
    environment.globals["adapter"] = SimpleNamespace(
        dispatch=lambda name: lambda *arguments: f"lgamma({arguments[0]})" if name == "log_gamma" else None
    )
    return environment.from_string(MACROS.read_text(encoding="utf-8")).module


def looks(draws: dict[str, np.ndarray], sql: str) -> np.ndarray:
    """`sql` over columns of shape (experiments, days); the same shape out."""
    with duckdb.connect() as connection:
        shape = next(iter(draws.values())).shape
        columns = {name: values.ravel() for name, values in draws.items()}
        columns["position"] = np.arange(shape[0] * shape[1])
        connection.register("looks", columns)
        return (
            connection.sql(f"select {sql} as answer from looks order by position").fetchnumpy()["answer"].reshape(shape)
        )


def clicks(*, rate: float, a_day: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Outputs shown and clicked so far by an arm, of shape (experiments, days)."""
    hits = np.random.default_rng(seed).binomial(a_day, rate, size=(EXPERIMENTS, DAYS)).cumsum(axis=1)
    return np.broadcast_to(a_day * np.arange(1, DAYS + 1), hits.shape), hits


def two_arms(rates: tuple[float, float], a_day: int) -> dict[str, np.ndarray]:
    (n1, x1), (n2, x2) = (clicks(rate=rate, a_day=a_day, seed=seed) for seed, rate in enumerate(rates))
    return {"n1": n1, "x1": x1, "n2": n2, "x2": x2}


def anytime_p_value() -> str:
    m = macros()
    error = " + ".join(f"{m.share_variance(f'x{arm}', f'n{arm}')} / n{arm}" for arm in (1, 2))
    return str(m.anytime_p_value("(x2 / n2 - x1 / n1)", "(n1 + n2)", f"nullif({error}, 0)", 10000))


@pytest.mark.parametrize(("rate", "a_day"), [(0.3, 50), (0.05, 200), (0.01, 2000)])
def test_equal_arms_looked_at_every_day_are_rarely_told_apart(rate: float, a_day: int) -> None:
    draws = two_arms((rate, rate), a_day)
    sequential = np.ma.filled(looks(draws, anytime_p_value()), 1.0)
    pooled = "((x1 + x2) / (n1 + n2))"
    z_test = looks(draws, f"abs(x2 / n2 - x1 / n1) / sqrt({pooled} * (1 - {pooled}) * (1.0 / n1 + 1.0 / n2)) > 1.96")
    assert (sequential < 0.05).any(axis=1).mean() <= 0.05
    assert np.ma.filled(z_test, False).any(axis=1).mean() > 0.2


def test_arms_that_differ_are_told_apart_in_time() -> None:
    found = np.ma.filled(looks(two_arms((0.05, 0.08), 500), anytime_p_value()), 1.0) < 0.05
    assert found.any(axis=1).mean() > 0.95


def test_the_p_value_and_the_interval_decide_alike() -> None:
    draws = two_arms((0.1, 0.12), 200)
    m = macros()
    error = " + ".join(f"{m.share_variance(f'x{arm}', f'n{arm}')} / n{arm}" for arm in (1, 2))
    outside = looks(draws, f"abs(x2 / n2 - x1 / n1) > {m.anytime_half_width('(n1 + n2)', f'({error})', 10000)}")
    assert outside.any() and not outside.all()
    assert ((looks(draws, anytime_p_value()) < 0.05) == outside).all()


@pytest.mark.parametrize(("share", "least", "most"), [(0.1, 0.0, 0.05), (0.12, 0.95, 1.0)])
def test_a_split_other_than_declared_is_told_and_the_declared_one_rarely(
    share: float, least: float, most: float
) -> None:
    _, canary = clicks(rate=share, a_day=1000, seed=7)
    n = np.broadcast_to(1000 * np.arange(1, DAYS + 1), canary.shape)
    p_value = macros().share_mismatch_p_value(
        "2", "n", "(lgamma(1 + x) + lgamma(1 + n - x))", "(x * ln(0.1) + (n - x) * ln(0.9))"
    )
    told = (looks({"n": n, "x": canary}, p_value) < 0.05).any(axis=1).mean()
    assert least <= told <= most


def test_an_interval_that_allows_for_skewness_holds_rare_weighted_clicks() -> None:
    """Sixty clicks with weights as uneven as off-policy ones: a skewed sum, and a normal interval ends too low."""
    generator = np.random.default_rng(5)
    a_weight, rate = 50, 0.006
    weights = generator.lognormal(-0.5, 1.0, size=200)
    n, truth = a_weight * weights.size, rate * weights.mean()
    hits = generator.binomial(a_weight, rate, size=(EXPERIMENTS, weights.size))
    sums = {f"s{power}": hits @ weights[:, None] ** power for power in (1, 2, 3)}
    mean, error = f"(s1 / {n})", f"sqrt((s2 / {n} - (s1 / {n}) ** 2) / {n})"
    cubes = f"(s3 - 3 * {mean} * s2 + 2 * {n} * {mean} ** 3)"
    m = macros()
    normal = looks(sums, f"{mean} + 1.96 * {error}") < truth
    low, high = (looks(sums, m.skewed_bound(mean, error, cubes, n, sign)) for sign in "-+")
    assert normal.mean() > 0.05
    assert (high < truth).mean() < 0.04 and (low > truth).mean() < 0.04


def test_wilsons_interval_covers_rare_shares_and_says_something_of_none() -> None:
    n, hits = clicks(rate=0.01, a_day=100, seed=11)
    m = macros()
    low, high = (looks({"n": n, "x": hits}, m.wilson_bound("x", "n", sign)) for sign in "-+")
    assert ((low <= 0.01) & (high >= 0.01)).mean() > 0.93
    assert low.min() >= -1e-12 and high[hits == 0].min() > 0
