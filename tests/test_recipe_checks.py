"""A recipe against its source, before any run: names, SQL, sampling, weights and the promise that it makes.

The failures that this prevents: a recipe that fails at night in the run, with DuckDB's words for it, and one that
promises to hold no text and holds it in a struct, a JSON field or an expression.
"""

import time
from pathlib import Path

import pytest

from orchestration.lib.recipe import SOURCES, RecipeError, load_recipe, load_recipes
from orchestration.lib.recipe.source_columns import source_columns
from orchestration.lib.settings import REPOSITORY

BASE = """name: planted
description: Planted.
license: other
source: {source}
{more}columns:
  feedback_id: Identifies the feedback event.
  request_id: Identifies the inference.
  attributed_date: The partition in which the row became known.
{columns}"""


def write(folder: Path, *, source: str = "attributed_feedback", more: str = "", columns: str = "") -> Path:
    path = folder / "planted.yml"
    more, columns = (f"{text}\n" if text else "" for text in (more, columns))
    path.write_text(BASE.format(source=source, more=more, columns=columns), encoding="utf-8")
    return path


def value(sql: str) -> str:
    return f'  found: {{value: "{sql}", meaning: What it is.}}'


def refused(path: Path) -> str:
    with pytest.raises(RecipeError) as error:
        load_recipe(path)
    assert str(error.value).startswith("planted.yml: ")
    return str(error.value)


@pytest.mark.parametrize(
    ("more", "columns", "told"),
    [
        ("", "  coment: Free text.", "columns.coment: 'coment' is no column of attributed_feedback; did you mean"),
        ("", "  coment: Free text.", "or say what it is: {value: SQL, meaning: …}"),
        ("", "  row_hash: Its hash.", "columns.row_hash: 'row_hash' is no column of attributed_feedback"),
        ("where: rewrd > 0", "", "where: 'rewrd' is no column of attributed_feedback; did you mean reward"),
        ("where: source.rewrd > 0", "", "where: 'rewrd' is no column of attributed_feedback; did you mean reward"),
        ("where: reward >", "", "where is no SQL expression: syntax error"),
        ("where: reward > 0 -- good", "", "where is no SQL expression: syntax error"),
        ("where: true) union all (select 1", "", "where is no SQL expression: syntax error"),
        ("where: comment", "", "where is a VARCHAR for each row; write a condition"),
        ("where: reward > 'much'", "", "where can not be computed: Could not convert string 'much'"),
        ("where: request_id in (select request_id from marts.dead_letter)", "", "where reads table dead_letter"),
        ("where: exists(from read_csv('x.csv'))", "", "where reads read_csv()"),
        ("where: attributed_date > today() - 7", "", "where asks for today(), which is another each time"),
        ("where: attributed_date > current_date - 7", "", "where asks for current_date, which is another each time"),
        ("", value("rewrd > 0"), "columns.found.value: 'rewrd' is no column of attributed_feedback; did you"),
        ("", value("(reward"), "columns.found.value is no SQL expression: syntax error"),
        ("", value("reward) as a, (rating"), "columns.found.value must be one SQL expression"),
        ("", value("comment + 1"), "columns.found.value can not be computed: No function matches"),
        ("", value("lenght(comment)"), "columns.found.value can not be computed: Scalar Function with name lenght"),
        ("", value("random()"), "columns.found.value asks for random()"),
        ("", value("max(reward)"), "columns can not be computed: "),
        ("split: {by: sesion_id, shares: {train: 1}}", "", "split.by: 'sesion_id' is no column"),
        ("most_per: {user: 3}", "", "most_per: 'user' is no column of attributed_feedback; did you mean user_id"),
        ("key: [postion]", "  postion: Place.", "'postion' is no column of attributed_feedback"),
        ("window_days: 0", "", "window_days is 0; write how many partitions, 1 or more"),
        ("window_days: month", "", "field 'window_days' must be a int"),
        ("sample: {share: 1}", "", "sample must say some of `rates`, `recency`, `rehearsal`, `balance`"),
        ("sample: {rates: {}}", "", "sample.rates is {}; write e.g. {variant:"),
        ("sample: {rates: {varant: {'*': 0.1}}}", "", "sample.rates.varant: 'varant' is no column"),
        ("sample: {rates: {variant: 0.1}}", "", "sample.rates.variant is 0.1; write each value's share"),
        ("sample: {rates: {variant: {canary: 2}}}", "", "sample.rates.variant.canary is 2; write a share from 0 to 1"),
        ("sample: {rates: {variant: {null: 1}}}", "", "None is no value; write text or a number (nulls go with '*')"),
        ("sample: {rates: {reward: {good: 1}}}", "", "sample.rates.reward: 'good' can not be computed: Could not"),
        ("sample: {recency: {half_life_days: 0}}", "", "sample.recency.half_life_days is 0; write a number above 0"),
        ("sample: {recency: {days: 3}}", "", "sample.recency must say `half_life_days` only"),
        ("sample: {rehearsal: {share: 0.2}}", "", "rehearsal mixes in rows older than the window, and there is none"),
        ("window_days: 7\nsample: {rehearsal: {share: 1}}", "", "sample.rehearsal.share is 1; write a share between"),
        ("sample: {balance: {most_times: 2}}", "", "sample.balance must say `by` (a column)"),
        ("sample: {balance: {by: thumb}}", "", "sample.balance.by: 'thumb' is no column"),
        ("sample: {balance: {by: thumbs, most_times: 0.5}}", "", "sample.balance.most_times is 0.5; write 1 or more"),
        ("sample: {balance: {by: thumbs, weights: {up: 0}}}", "", "sample.balance.weights is {'up': 0}"),
        ("sample: {balance: {by: thumbs, least_rows: 0}}", "", "sample.balance.least_rows is 0"),
        ("weights: {clip: -1}", value("1.0"), "weights.clip is -1; write the highest weight, above 0"),
        ("weights: {inverse: true}", "", "weights must say `inverse_propensity` or `clip`"),
        ("weights: {clip: 20}", "  sample_weight: {value: \"'x'\", meaning: How.}", "sample_weight is a VARCHAR"),
        ("weights: {clip: 20}", "", "weights needs column 'sample_weight'; add it to columns"),
        ("privacy: secret", "", "privacy is 'secret'; write one of personal, pseudonymous, deidentified"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_field_and_cure(tmp_path: Path, more: str, columns: str, told: str) -> None:
    assert told in refused(write(tmp_path, more=more, columns=columns))


def test_weights_ask_for_what_they_are_made_of(tmp_path: Path) -> None:
    weight = "  sample_weight: How much it counts."
    propensity = "  propensity: How likely it was."
    inverse = "weights: {inverse_propensity: true, clip: 20}"
    assert "weights needs column 'propensity'" in refused(
        write(tmp_path, source="reward_examples", more=inverse, columns=weight)
    )
    both = f"{weight}\n{propensity}"
    assert "is the inverse of the propensity as it is" in refused(
        write(tmp_path, source="ranking_examples", more=inverse, columns=both)
    )
    recipe = load_recipe(write(tmp_path, source="reward_examples", more=inverse, columns=both))
    assert recipe.to_dict()["weights"] == {"inverse_propensity": True, "clip": 20}


@pytest.mark.parametrize(
    ("privacy", "source", "columns", "told"),
    [
        ("pseudonymous", "attributed_feedback", "  comment: Free text.", "(comment)"),
        ("pseudonymous", "attributed_feedback", "  input: What it was given.", "(input)"),
        ("pseudonymous", "attributed_feedback", "  feedback_extras: Unknown fields.", "(feedback_extras)"),
        ("pseudonymous", "attributed_feedback", "  label: A tag.", "(label)"),
        ("pseudonymous", "attributed_feedback", value("comment || ''"), "(comment)"),
        ("pseudonymous", "attributed_feedback", value("md5(source.comment)"), "(comment)"),
        ("pseudonymous", "attributed_feedback", value("input->>'prompt'"), "(input)"),
        ("pseudonymous", "attributed_feedback", value("case when turn > 1 then comment else 'x' end"), "(comment)"),
        ("pseudonymous", "attributed_feedback", value("(select max(t.c) from unnest([comment]) as t(c))"), "(comment)"),
        ("pseudonymous", "reward_examples", value("to_json(source)"), "(completion)"),
        ("pseudonymous", "reward_examples", value("struct_pack(*)"), "can not be computed"),
        ("pseudonymous", "reward_examples", "  prompt: The conversation.", "(prompt)"),
        ("pseudonymous", "reward_examples", value("[m.content for m in prompt]"), "(prompt)"),
        ("pseudonymous", "tabular_examples", "  judgements: With the label that each gave.", "(judgements)"),
        ("pseudonymous", "retrieval_examples", "  positives: Chunks with their text.", "(positives)"),
        ("pseudonymous", "tabular_examples", "  feature_attributions: With the values.", "(feature_attributions)"),
        ("deidentified", "attributed_feedback", "  user_id: Who.", "who a user is (user_id)"),
        ("deidentified", "attributed_feedback", value("hash(user_id)"), "who a user is (user_id)"),
        ("deidentified", "attributed_feedback", value("coalesce(session_id, request_id)"), "(session_id)"),
        ("deidentified", "attributed_feedback", "  comment: Free text.", "(comment)"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_refused(tmp_path: Path, privacy: str, source: str, columns: str, told: str) -> None:
    said = refused(write(tmp_path, source=source, more=f"privacy: {privacy}", columns=columns))
    assert told in said
    assert f"privacy: {privacy} rules out; leave it out, or tell less" in said or "can not be computed" in said


@pytest.mark.parametrize(
    ("privacy", "source", "columns"),
    [
        ("pseudonymous", "attributed_feedback", "  user_id: Who.\n  reward: How good.\n  model_version: Which."),
        ("pseudonymous", "attributed_feedback", value("length(comment)")),
        ("pseudonymous", "attributed_feedback", value("case when length(comment) > 9 then 'long' else 'short' end")),
        ("pseudonymous", "attributed_feedback", value("(params->>'temperature')::double")),
        ("pseudonymous", "reward_examples", "  judgements: Who gave which reward."),
        ("pseudonymous", "reward_examples", value("[j.reward for j in judgements]")),
        ("deidentified", "attributed_feedback", value("user_id is not null")),
        ("deidentified", "attributed_feedback", "  thumbs: up or down.\n  inference_at: When."),
        ("personal", "attributed_feedback", "  comment: Free text.\n  user_id: Who."),
    ],
)
def test_a_promise_that_is_kept_is_taken(tmp_path: Path, privacy: str, source: str, columns: str) -> None:
    recipe = load_recipe(write(tmp_path, source=source, more=f"privacy: {privacy}", columns=columns))
    assert recipe.privacy == privacy
    assert recipe.to_dict().get("privacy") == (privacy if privacy != "personal" else None)


def test_a_name_with_its_table_before_it_is_found_out_too(tmp_path: Path) -> None:
    path = write(tmp_path, source="reward_examples", more="where: source.rewrd > 0")
    assert "where: 'rewrd' is no column of reward_examples; did you mean reward?" in refused(path)


def test_expressions_may_do_what_duckdb_can(tmp_path: Path) -> None:
    where = "where: (select max(j.reward) from unnest(judgements) as t(j)) > 0 and Reward > -1"
    columns = value("list_transform(judgements, lambda j: j.source)[1]")
    assert load_recipe(write(tmp_path, source="reward_examples", more=where, columns=columns)).values


def test_what_the_manifest_tells_of_sampling_is_what_the_recipe_says(tmp_path: Path) -> None:
    more = """window_days: 30
sample:
  seed: 7
  rates: {variant: {canary: 1, '*': 0.1}, exposed: {true: 0.5}}
  recency: {half_life_days: 10}
  rehearsal: {share: 0.2}
  balance: {by: thumbs, most_times: 2, weights: {up: 3}}"""
    told = load_recipe(write(tmp_path, more=more)).to_dict()
    assert told["window_days"] == 30
    assert told["sample"] == {
        "seed": "7",
        "rates": {"variant": {"canary": 1.0, "*": 0.1}, "exposed": {"true": 0.5}},
        "recency": {"half_life_days": 10},
        "rehearsal": {"share": 0.2},
        "balance": {"by": "thumbs", "most_times": 2.0, "weights": {"up": 3.0}, "least_rows": 1},
    }


def test_every_source_lists_its_columns_with_their_types() -> None:
    for source in SOURCES:
        assert {"feedback_id", "request_id", "attributed_date"} <= source_columns(source).keys(), source


def test_recipes_load_fast() -> None:
    """They are loaded with each code location, sensor tick and command. CPU time, since others may be at work here."""
    load_recipes(REPOSITORY / "recipes")  # dbt's manifest is read once a process
    began = time.process_time()
    load_recipes(REPOSITORY / "recipes")
    assert time.process_time() - began < 0.2
