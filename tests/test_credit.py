"""Credit to the parts of an answer, through the command line: planted routes, ensembles and retrievals.

The credit of the planted ones is known; a few hundred random and hostile ones must conserve it. The failures that this
prevents: blame on a branch that never answered, credit that vanishes or is given twice, and a malformed component that
stops a day.
"""

import json
import os
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.credit_metadata import credit_metadata
from orchestration.lib.recipe import RecipeError, load_recipe
from tests.platform_under_test import Platform
from tests.traffic import land

DAYS = [date(2024, 3, 1) + timedelta(n) for n in range(3)]
Event = dict[str, Any]


def ask(request_id: str, *, text: str = "Lyon", **more: Any) -> Event:
    return {
        "request_id": request_id, "timestamp": f"{DAYS[0]}T10:00:00Z", "model_version": "v1",
        "output": {"text": text}, **more,
    }  # fmt: skip


def judge(request_id: str, feedback_id: str, **said: Any) -> Event:
    return {
        "feedback_id": feedback_id, "request_id": request_id, "user_id": feedback_id,
        "timestamp": f"{DAYS[0]}T11:00:00Z", **said,
    }  # fmt: skip


ROUTE = [
    {"name": "router", "kind": "router", "output": "large"},
    {"name": "small", "kind": "generator", "model_version": "s-1"},
    {"name": "large", "kind": "generator", "model_version": "l-1"},
]
ENSEMBLE = [
    {"name": "a", "kind": "ensemble_member", "weight": 0.5, "output": "cat"},
    {"name": "b", "kind": "ensemble_member", "weight": 0.3, "output": "dog"},
    {"name": "c", "kind": "ensemble_member", "weight": 0.2, "output": "cat"},
]
CHUNKS = [
    {"chunk_id": "c1", "document_id": "d1", "index_version": "i1", "rank": 1, "score": 0.9,
     "text": "Lyon is a city in France."},
    {"chunk_id": "c2", "document_id": "d2", "index_version": "i1", "rank": 2, "score": 0.8,
     "text": "Paris became the capital of France."},
]  # fmt: skip
PLANTED_INFERENCES = [
    ask("routed", components=ROUTE),
    ask("voted", components=ENSEMBLE, text="cat"),
    ask("cites", text="It is Paris [2].", input={"prompt": "capital?", "retrieved": CHUNKS}),
    ask("silent", text="It is Lyon.", input={"prompt": "capital?", "retrieved": CHUNKS}),
    ask("corrected", text="It is Lyon.", input={"prompt": "capital?", "retrieved": CHUNKS}),
]
# Feedback and the day on which it is received.
PLANTED_FEEDBACK = [
    (DAYS[0], judge("routed", "routed-down", thumbs="down")),
    (DAYS[1], judge("routed", "routed-small", rating=5, target={"kind": "component", "id": "small"})),
    (DAYS[0], judge("voted", "voted-down", rating=1)),
    (DAYS[1], judge("voted", "voted-label", label="dog")),
    (DAYS[0], judge("cites", "cites-up", thumbs="up")),
    (DAYS[0], judge("silent", "silent-down", thumbs="down")),
    (DAYS[1], judge("silent", "silent-chunk", thumbs="up", target={"kind": "chunk", "id": "c2"})),
    (DAYS[0], judge("corrected", "corrected", corrected_output="It is Paris.")),
]
ODD_WEIGHTS = [None, 0, -1, 1e308, 1e-308, "3", "many", float("0.1"), {}, [], True]
ODD_COMPONENTS: list[Any] = [
    [], {}, "path", 7, None, [None], [[], 1, "x"], [{}], [{"name": 5, "kind": ["router"]}],
    [{"name": "r", "kind": "router", "output": "r"}], [{"name": "g", "kind": "generator"}] * 3,
    [{"name": f"m{n}", "kind": "ensemble_member", "weight": 1e-300} for n in range(2_000)],
    [{"name": "r", "kind": "router", "output": {"deep": {"deeper": []}}}, {"name": "g"}],
]  # fmt: skip
ODD_RETRIEVED: list[Any] = [
    [], {}, "c", [None, 3, "x"], [{}], [{"chunk_id": "c", "rank": "first"}], [{"chunk_id": "c", "rank": -1e9}] * 4,
    [{"chunk_id": f"c{n}", "rank": 1, "score": "high"} for n in range(500)],
]  # fmt: skip


def random_events(seed: int) -> tuple[list[Event], list[Event]]:
    """Inferences with random and odd parts, and a judgement of each."""
    rng = random.Random(seed)
    kinds = ["router", "retriever", "reranker", "generator", "ensemble_member", "tool", "unheard_of", None]
    inferences, feedback = [], []
    for n in range(300):
        names = [f"p{k}" for k in range(rng.randint(1, 6))]
        components: Any = [
            {"name": rng.choice(names), "kind": rng.choice(kinds), "weight": rng.choice([*ODD_WEIGHTS, rng.random()]),
             "output": rng.choice([None, "p1", "p2", "yes and no", {"label": "p0"}, 5])}
            for _ in names
        ]  # fmt: skip
        retrieved: Any = [
            {"chunk_id": f"c{rng.randint(0, 5)}", "document_id": "d", "rank": rng.choice([None, 0, k, k + 1]),
             "text": rng.choice([None, "yes", "no and yes"])}
            for k in range(rng.randint(1, 6))
        ]  # fmt: skip
        if n < len(ODD_COMPONENTS):
            components = ODD_COMPONENTS[n]
        if n < len(ODD_RETRIEVED):
            retrieved = ODD_RETRIEVED[n]
        text = rng.choice(["yes", "no [1]", "maybe [c2, 3] []", "【d】", "[" * 50])
        inferences.append(ask(f"r{n}", text=text, components=components, input={"retrieved": retrieved}))
        feedback.append(judge(f"r{n}", f"f{n}", rating=rng.choice([1, 2, 3, 4.5, 5])))
    return inferences, feedback


def land_all(data_dir: Path, *, seed: int) -> None:
    """Every line, in an order of its own for each seed."""
    order = random.Random(seed)
    inferences, feedback = random_events(11)
    by_day = {day: [f for received, f in PLANTED_FEEDBACK if received == day] for day in DAYS}
    by_day[DAYS[2]] += feedback
    for stream, events in (("inferences", {DAYS[0]: PLANTED_INFERENCES + inferences}), ("feedback", by_day)):
        for day in DAYS:
            lines = [json.dumps(event) for event in events.get(day, [])]
            order.shuffle(lines)
            land(data_dir, stream, day, lines)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("range"))
    land_all(platform.data_dir, seed=1)
    assert platform.run(DAYS[0], DAYS[-1]) == 0
    return platform


def credits(platform: Platform, table: str, feedback_id: str, name: str) -> dict[str, tuple[float | None, str]]:
    rows = platform.query(f"from marts.{table} where feedback_id = ? order by position", feedback_id)
    return {row[name]: (row["credit"], row["method"]) for row in rows}


def test_the_branch_that_a_router_chose_has_the_blame(platform: Platform) -> None:
    assert credits(platform, "component_credit", "routed-down", "component") == {
        "router": (0, "chosen_branch"),
        "small": (0, "chosen_branch"),
        "large": (-1, "chosen_branch"),
    }
    rows = platform.query("from marts.component_credit where feedback_id = 'routed-down' and credit <> 0")
    assert [(row["kind"], row["model_version"], row["request_id"]) for row in rows] == [("generator", "l-1", "routed")]


def test_feedback_on_a_component_is_that_components(platform: Platform) -> None:
    found = credits(platform, "component_credit", "routed-small", "component")
    assert found == {"router": (0, "explicit"), "small": (1, "explicit"), "large": (0, "explicit")}


def test_an_ensemble_shares_by_weight_or_by_agreement(platform: Platform) -> None:
    by_weight = credits(platform, "component_credit", "voted-down", "component")
    assert {name: credit for name, (credit, _) in by_weight.items()} == pytest.approx({"a": -0.5, "b": -0.3, "c": -0.2})
    assert {method for _, method in by_weight.values()} == {"weight"}
    agreeing = credits(
        platform, f"component_credit_as_of('{DAYS[2]}', method := 'agreement')", "voted-down", "component"
    )
    assert agreeing == {"a": (-0.5, "agreement"), "b": (0, "agreement"), "c": (-0.5, "agreement")}


def test_a_label_tells_which_member_was_right(platform: Platform) -> None:
    rows = platform.query("from marts.component_credit where feedback_id = 'voted-label' order by position")
    assert [(r["component"], r["agreement"], r["credit"]) for r in rows] == [
        ("a", 0, None),
        ("b", 1, None),
        ("c", 0, None),
    ]


def test_chunks_earn_by_citation_or_by_rank_and_what_was_said_of_one_is_preferred(platform: Platform) -> None:
    assert credits(platform, "chunk_credit", "cites-up", "chunk_id") == {"c1": (0, "cited"), "c2": (1, "cited")}
    by_rank = credits(platform, "chunk_credit", "silent-down", "chunk_id")
    assert {m for _, m in by_rank.values()} == {"rank_discount"}
    assert [c for c, _ in by_rank.values()] == pytest.approx([-0.6131471927654584, -0.38685280723454163])
    assert credits(platform, "chunk_credit", "silent-chunk", "chunk_id") == {
        "c1": (0, "explicit"),
        "c2": (1, "explicit"),
    }
    verdicts = {
        day: {
            row["chunk_id"]: (row["judged_by"], round(row["credit"], 3))
            for row in platform.query(f"from marts.chunk_judgement_as_of('{day}') where request_id = 'silent'")
        }
        for day in DAYS[:2]
    }
    assert verdicts == {
        DAYS[0]: {"c1": ("rank_discount", -0.613), "c2": ("rank_discount", -0.387)},
        DAYS[1]: {"c1": ("rank_discount", -0.613), "c2": ("explicit", 1)},
    }


def test_a_chunk_that_supports_the_correction_was_a_good_retrieval_under_a_bad_generation(platform: Platform) -> None:
    rows = platform.query("from marts.chunk_credit where feedback_id = 'corrected' order by position")
    assert [(r["chunk_id"], r["overlap"], r["method"], r["credit"]) for r in rows] == [
        ("c1", 0, "correction_overlap", None),
        ("c2", 1, "correction_overlap", None),
    ]
    outcomes = {
        row["feedback_id"]: (row["outcome"], row["judged_by"])
        for row in platform.query("from marts.retrieval_outcomes where request_id not like 'r%'")
    }
    assert outcomes == {
        "corrected": ("good_retrieval_bad_generation", "correction_overlap"),
        "cites-up": ("good_retrieval_good_generation", "cited"),
        "silent-down": ("unknown_retrieval_bad_generation", None),
    }
    later = platform.query(f"from marts.retrieval_outcomes_as_of('{DAYS[1]}') where feedback_id = 'silent-down'")
    assert (later[0]["outcome"], later[0]["judged_by"]) == ("good_retrieval_bad_generation", "explicit")


@pytest.mark.parametrize(
    ("table", "methods"),
    [("component_credit", ("weight", "agreement", "equal")), ("chunk_credit", ("cited", "rank_discount", "equal"))],
)
def test_credits_add_up_to_the_reward_whatever_was_logged(
    platform: Platform, table: str, methods: tuple[str, ...]
) -> None:
    tables = [table, *(f"{table}_as_of('{DAYS[-1]}', method := '{method}')" for method in methods)]
    for of_method in tables:
        sums = platform.query(
            f"select feedback_id, sum(credit) as credit, max(reward) as reward, bool_or(isnan(credit)) as is_nan "
            f"from marts.{of_method} where reward is not null group by feedback_id"
        )
        assert len(sums) > 250
        for row in sums:
            assert row["credit"] == pytest.approx(row["reward"], abs=1e-9), (of_method, row)
            assert not row["is_nan"]


def test_the_ui_shows_who_earned_what(platform: Platform) -> None:
    with duckdb.connect(str(platform.data_dir / "warehouse.duckdb"), read_only=True) as connection:
        metadata = credit_metadata(connection, DAYS)
    assert "| large | generator | l-1 | 1 | -1.0 | -1.0 |" in str(metadata["component_credit"][DAYS[0]]["credit"].value)
    assert "| d2 | i1 | 2 |" in str(metadata["chunk_credit"][DAYS[0]]["credit"].value)
    assert metadata["retrieval_outcomes"][DAYS[0]]["good_retrieval_bad_generation"].value == 1


def test_no_judgement_is_lost_to_an_odd_part(platform: Platform) -> None:
    """What is no array of components is no inference; any other is attributed, however odd its parts."""
    states = platform.query(
        f"select state, count(*) as n from marts.feedback_status where received_date = '{DAYS[2]}' group by state"
    )
    no_arrays = sum(not isinstance(odd, list) and odd is not None for odd in ODD_COMPONENTS)
    assert {row["state"]: row["n"] for row in states} == {"attributed": 300 - no_arrays, "pending": no_arrays}


def test_shuffled_lines_day_by_day_give_the_same_credit(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Platform(tmp_path_factory.mktemp("day_by_day"))
    land_all(other.data_dir, seed=2)
    for day in DAYS:
        assert other.run(day, day) == 0
    for table in ("component_credit", "chunk_credit", "retrieval_outcomes"):
        query = f"from marts.{table} order by all"
        assert other.query(query) == platform.query(query), table


RECIPE = """
name: member_credit
description: Who of an ensemble was right.
license: other
source: component_credit
parameters: {method: agreement}
key: [position]
where: kind = 'ensemble_member' and credit is not null
columns:
  feedback_id: Identifies the feedback event.
  request_id: Identifies the inference.
  position: Place in the routing path.
  component: The member.
  credit: Its part of the reward.
  method: How it came about.
  attributed_date: The partition.
"""


def test_a_recipe_chooses_how_credit_is_assigned(tmp_path: Path) -> None:
    """Driven as a user does: a file in the recipes' folder, and `attribution run`."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "member_credit.yml").write_text(RECIPE, encoding="utf-8")
    data = tmp_path / "data"
    for stream, day, events in (
        ("inferences", DAYS[0], PLANTED_INFERENCES),
        ("feedback", DAYS[0], [event for received, event in PLANTED_FEEDBACK if received == DAYS[0]]),
        ("feedback", DAYS[1], [{**judge("voted", "taken-back", retracts="voted-down"), "user_id": "voted-down"},
                               judge("voted", "voted-up", thumbs="up")]),
    ):  # fmt: skip
        land(data, stream, day, [json.dumps(event) for event in events])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FEEDBACK_", "DAGSTER_HOME"))}
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "run", "--from", str(DAYS[0]), "--to", str(DAYS[1])],
        env={**kept, "FEEDBACK_DATA_DIR": str(data), "FEEDBACK_RECIPES": str(tmp_path / "recipes")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = data / "datasets" / "member_credit"
    versions = sorted(path for path in folder.iterdir() if path.is_dir())
    rows = [
        Platform(data).query(f"select component, credit from read_parquet('{v}/data/*.parquet') order by position")
        for v in versions
    ]
    assert [[(row["component"], row["credit"]) for row in of_version] for of_version in rows] == [
        [("a", -0.5), ("b", 0), ("c", -0.5)],
        [("a", 0.5), ("b", 0), ("c", 0.5)],
    ]
    manifest = json.loads((versions[1] / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["changes"] == {"added": 3, "changed": 0, "removed": 3}
    assert (manifest["recipe"]["parameters"], manifest["recipe"]["key"]) == ({"method": "agreement"}, ["position"])


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("{method: agreement}", "{method: luck}", "weight, agreement, equal"),
        ("key: [position]", "key: [place]", "columns must hold .place."),
        ("key: [position]\n", "", "several rows a feedback"),
        ("source: component_credit", "source: attributed_feedback", "method is unknown to"),
        ("parameters: {method: agreement}", "include_unreviewed: true", "attributed_feedback only"),
    ],
)
def test_a_wrong_recipe_of_credits_is_refused_with_the_cure(tmp_path: Path, line: str, instead: str, told: str) -> None:
    path = tmp_path / "member_credit.yml"
    path.write_text(RECIPE.replace(line, instead), encoding="utf-8")
    with pytest.raises(RecipeError, match=told) as refused:
        load_recipe(path)
    assert "member_credit.yml" in str(refused.value)
