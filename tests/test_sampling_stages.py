"""Sampling as SQL, on rows that Hypothesis makes: each stage keeps what it promises, and who is in stays in.

The failures that this prevents: a dataset that changes with the order or the machine, a class that is drowned by
another although it was balanced, rows that come and go each day, and draws that know of each other, so that what one
stage thinned out the next one prefers.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.sample import Balance, Sample
from orchestration.lib.sampling import DRAWS, draws_query, kept, stage_counts, stages

TODAY = date(2024, 5, 31)
PLAIN = Recipe(
    name="planted", description="Planted rows.", license="other", source="attributed_feedback",
    columns={column: "What it is." for column in ("feedback_id", "request_id", "attributed_date", "is_good")},
    values={"is_good": "reward > 0"},
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A row of the source, as far as anything is drawn by it."""

    feedback_id: str
    variant: str | None = None
    user_id: str | None = None
    reward: float | None = 1.0
    age: int = 0


CONNECTION = duckdb.connect()
CONNECTION.execute(
    "create table source_rows "
    "(feedback_id varchar, variant varchar, user_id varchar, reward double, attributed_date date)"
)


def draws(recipe: Recipe, rows: Sequence[Row], *, today: date = TODAY) -> tuple[set[str], list[dict[str, Any]]]:
    """The ids of the rows that are kept, and what each stage let through."""

    def values(row: Row) -> str:
        given = (row.feedback_id, row.variant, row.user_id, row.reward, TODAY - timedelta(row.age))
        return f"({', '.join('null' if value is None else quote(str(value)) for value in given)})"

    CONNECTION.execute("delete from source_rows")
    if rows:
        CONNECTION.execute(f"insert into source_rows values {', '.join(map(values, rows))}")
    CONNECTION.execute(f"create or replace table {DRAWS} as {draws_query(recipe, today, 'source_rows as source')}")
    hashes = {hash_ for (hash_,) in CONNECTION.execute(kept(DRAWS)).fetchall()}
    seed = recipe.sample.seed + chr(31) if recipe.sample and recipe.sample.seed else ""
    by_hash = {hashlib.sha256(f"{seed}{row.feedback_id}".encode()).hexdigest(): row.feedback_id for row in rows}
    return {by_hash[hash_] for hash_ in hashes}, stage_counts(CONNECTION, recipe)


def sampled(**fields: Any) -> Recipe:
    return replace(PLAIN, sample=Sample(**fields))


def many(n: int, **fields: Any) -> list[Row]:
    return [Row(f"fb-{i}", **fields) for i in range(n)]


def planted_rows(*, ages: int = 60) -> st.SearchStrategy[list[Row]]:
    row = st.builds(
        Row,
        feedback_id=st.text("0123456789abcdef", min_size=1, max_size=8),
        variant=st.sampled_from(["canary", "stable", "odd 'name'", None]),
        user_id=st.sampled_from(["ann", "bob", None]),
        reward=st.sampled_from([1.0, -1.0, None]),
        age=st.integers(0, ages),
    )
    return st.lists(row, max_size=80, unique_by=lambda r: r.feedback_id)


RECIPES = [
    sampled(rates={"variant": {"canary": 1.0, "*": 0.3}, "is_good": {"true": 0.5}}),
    sampled(half_life_days=10),
    sampled(balance=Balance("variant", 1.5, {"canary": 2.0})),
    replace(sampled(rehearsal_share=0.3), window_days=20),
    replace(
        sampled(
            seed="s", rates={"variant": {"*": 0.8}}, rehearsal_share=0.3, half_life_days=50, balance=Balance("is_good")
        ),
        window_days=20,
        most_per={"user_id": 5},
    ),
]  # fmt: skip
QUICK = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: "+".join(s.field for s in stages(recipe)))
@given(rows=planted_rows(), data=st.data())
@QUICK
def test_the_order_of_rows_decides_nothing_and_every_row_is_accounted_for(
    recipe: Recipe, rows: list[Row], data: st.DataObject
) -> None:
    found, told = draws(recipe, rows)
    assert draws(recipe, data.draw(st.permutations(rows))) == (found, told)
    assert [one["stage"] for one in told] == [stage.field for stage in stages(recipe)]
    assert told[0]["rows_in"] == len(rows) and told[-1]["rows_out"] == len(found)
    assert all(after["rows_in"] == before["rows_out"] for before, after in pairwise(told))


@given(rows=planted_rows())
@QUICK
def test_a_rate_draws_by_the_row_alone(rows: list[Row]) -> None:
    """The same as a few lines of Python: whoever is in today is in tomorrow, whatever comes beside it."""
    rates: dict[str | None, float] = {"canary": 0.7, "odd 'name'": 0.0}
    recipe = sampled(seed="7", rates={"variant": {**{str(k): v for k, v in rates.items()}, "*": 0.4}})
    expected = set()
    for row in rows:
        place = int(hashlib.sha256(f"7\x1f{row.feedback_id}".encode()).hexdigest()[13:26], 16) / 16**13
        if place < rates.get(row.variant, 0.4):
            expected.add(row.feedback_id)
    assert draws(recipe, rows)[0] == expected


def test_rates_give_their_shares_and_those_of_two_columns_multiply() -> None:
    rows = [Row(f"fb-{n}", variant="ab"[n % 2], user_id="xyz"[n % 3]) for n in range(12_000)]
    recipe = sampled(rates={"variant": {"a": 0.5, "b": 1.0}, "user_id": {"x": 0.2, "*": 1.0, "y": 0.0}})
    drawn, _ = draws(recipe, rows)
    found = Counter((row.variant, row.user_id) for row in rows if row.feedback_id in drawn)
    for (variant, user), share in {("a", "x"): 0.1, ("b", "x"): 0.2, ("a", "z"): 0.5, ("b", "z"): 1.0}.items():
        assert found[variant, user] == pytest.approx(
            2_000 * share, abs=5 * math.sqrt(2_000 * share * (1 - share)) + 1e-9
        )
    assert not any(user == "y" for _, user in found)


@given(rows=planted_rows(), later=st.integers(1, 40))
@QUICK
def test_who_has_aged_out_does_not_come_back(rows: list[Row], later: int) -> None:
    recipe = sampled(half_life_days=10)
    assert draws(recipe, rows, today=TODAY + timedelta(later))[0] <= draws(recipe, rows)[0]


@pytest.mark.parametrize(("age", "share"), [(0, 1.0), (5, 0.5**0.5), (10, 0.5), (30, 0.125)])
def test_a_half_life_halves(age: int, share: float) -> None:
    rows = many(4_000, age=age)
    found = len(draws(sampled(half_life_days=10), rows)[0])
    assert found == pytest.approx(4_000 * share, abs=5 * math.sqrt(4_000 * share * (1 - share)) + 1e-9)


@given(rows=planted_rows(), window=st.integers(1, 40))
@QUICK
def test_a_window_has_the_rows_of_its_partitions(rows: list[Row], window: int) -> None:
    recipe = replace(PLAIN, window_days=window)
    assert draws(recipe, rows)[0] == {row.feedback_id for row in rows if row.age < window}


@given(rows=planted_rows(), share=st.sampled_from([0.1, 0.2, 0.5, 0.8]), recent=st.integers(0, 30))
@QUICK
def test_rehearsal_is_its_share_of_the_whole_or_all_that_there_is(rows: list[Row], share: float, recent: int) -> None:
    recipe = replace(sampled(rehearsal_share=share), window_days=20)
    found, _ = draws(recipe, rows)
    older = {row.feedback_id for row in rows if row.age >= 20}
    new = {row.feedback_id for row in rows if row.age < 20}
    assert new <= found
    most = len(new) * share / (1 - share)
    assert len(found & older) == min(len(older), math.floor(most + 1e-9))
    if len(found & older) < len(older):
        assert len(found & older) <= share * len(found) + 1e-9 < len(found & older) + 1
    grown, _ = draws(recipe, rows + [Row(f"new-{n}") for n in range(recent)])
    assert found <= grown, "with more new rows there is room for more older ones, and none has to go"


@given(rows=planted_rows(), times=st.sampled_from([1.0, 1.5, 3.0]), weight=st.sampled_from([1.0, 2.0]))
@QUICK
def test_no_class_has_more_than_its_times_of_the_smallest(rows: list[Row], times: float, weight: float) -> None:
    found, _ = draws(sampled(balance=Balance("variant", times, {"canary": weight})), rows)
    before = Counter(row.variant for row in rows)
    after = Counter(row.variant for row in rows if row.feedback_id in found)
    weights = {variant: weight if variant == "canary" else 1.0 for variant in before if variant}
    smallest = min((before[variant] / of for variant, of in weights.items()), default=0.0)
    for variant, of in weights.items():
        assert after[variant] == min(before[variant], max(1, math.floor(times * of * smallest + 1e-9)))
    assert after[None] == before[None], "a row without a class is in none"


@given(rows=planted_rows(), more=st.integers(1, 30))
@QUICK
def test_as_the_smallest_class_grows_nobody_has_to_go(rows: list[Row], more: int) -> None:
    recipe = sampled(balance=Balance("is_good"))
    sizes = Counter(row.reward for row in rows if row.reward is not None)
    if len(sizes) < 2:
        return
    smallest = min(sizes, key=lambda reward: sizes[reward])
    room = min(more, max(sizes.values()) - sizes[smallest])
    grown = rows + [Row(f"new-{n}", reward=smallest) for n in range(room)]
    assert draws(recipe, rows)[0] <= draws(recipe, grown)[0]


def test_a_class_of_one_is_the_smallest_unless_it_is_too_small_to_count() -> None:
    rows = [
        *many(50, variant="common"),
        Row("alone", variant="rare"),
        *(Row(f"other-{n}", variant="b") for n in range(20)),
    ]
    found = Counter(one.split("-")[0] for one in draws(sampled(balance=Balance("variant")), rows)[0])
    assert found == {"fb": 1, "other": 1, "alone": 1}
    spared = Counter(one.split("-")[0] for one in draws(sampled(balance=Balance("variant", least_rows=2)), rows)[0])
    assert spared == {"fb": 20, "other": 20, "alone": 1}


@given(rows=planted_rows(), most=st.integers(1, 6))
@example(rows=[Row(f"{n}", user_id="ann" if n % 2 else None, reward=1.0 if n % 2 else -1.0) for n in range(20)], most=2)
@QUICK
def test_caps_and_balance_hold_together(rows: list[Row], most: int) -> None:
    found, _ = draws(replace(sampled(balance=Balance("is_good")), most_per={"user_id": most}), rows)
    users = Counter(row.user_id for row in rows if row.feedback_id in found and row.user_id)
    classes = Counter(row.reward for row in rows if row.feedback_id in found and row.reward is not None)
    assert all(count <= most for count in users.values())
    assert len(set(classes.values())) <= 1


def test_another_seed_draws_others() -> None:
    rows = many(2_000)
    found = [draws(sampled(seed=seed, rates={"variant": {"*": 0.5}}), rows)[0] for seed in ("a", "b")]
    assert len(found[0] & found[1]) == pytest.approx(500, abs=100)


def test_what_one_stage_thins_out_the_next_does_not_prefer() -> None:
    """A tenth of the stable rows is drawn; were it those with the lowest hash, a cap would take hardly any other."""
    rows = [
        *(Row(f"canary-{n}", variant="canary", user_id="loud") for n in range(1_000)),
        *(Row(f"stable-{n}", variant="stable", user_id="loud") for n in range(10_000)),
    ]
    recipe = replace(sampled(rates={"variant": {"canary": 1.0, "*": 0.1}}), most_per={"user_id": 400})
    canaries = sum(one.startswith("canary") for one in draws(recipe, rows)[0])
    assert canaries == pytest.approx(200, abs=50)


def test_nothing_comes_of_nothing() -> None:
    for recipe in RECIPES:
        assert draws(recipe, [])[0] == set()
