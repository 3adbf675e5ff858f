"""Labels that are doubted: planted wrong ones are found, and the same rows are judged alike wherever and however.

The failures that this prevents: a column of doubts that is no better than chance, a version that is renamed by the
order in which rows came, a group that vouches for itself, and a hopeless dataset whose rare class is doubted whole.
"""

import gzip
import json
import math
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from orchestration.lib.label_noise import card_section, fill_columns, told, words
from orchestration.lib.label_noise.calibration import calibrated
from orchestration.lib.label_noise.judged_rows import JUDGED, choose_rows
from orchestration.lib.recipe import Recipe, RecipeError, Split, load_recipe
from orchestration.lib.recipe import label_noise as recipe_label_noise
from orchestration.lib.recipe.label_noise import LabelNoise, with_noise_columns
from orchestration.lib.settings import REPOSITORY

WRONG_SHARE = 0.08
TOPICS = {
    "billing": ["invoice", "refund", "charge", "payment", "card", "bank", "receipt", "price", "discount", "tax"],
    "travel": ["flight", "hotel", "luggage", "airport", "visa", "train", "ticket", "delay", "gate", "seat"],
}
COMMON = ["please", "could", "you", "tell", "me", "how", "the", "my", "is", "it", "was", "not", "with", "and", "when"]


def recipe(*given: str, by: str = "user_id", **noise: Any) -> Recipe:
    columns = ["request_id", "feedback_id", "attributed_date", "user_id", "label", *given]
    return with_noise_columns(
        "planted.yml",
        Recipe(
            name="planted",
            description="Planted.",
            license="other",
            source="reward_examples",
            columns=dict.fromkeys(columns, "m"),
            split=Split(by, {"train": 1}),
            label_noise=LabelNoise("label", given, **noise),
        ),
    )


def texts(rows: int, *, rng: Random) -> list[dict[str, Any]]:
    """Questions on one of two topics; some with the other's label."""
    made = []
    for n in range(rows):
        topic = rng.choice(list(TOPICS))
        said = rng.choices(COMMON, k=12) + rng.choices(TOPICS[topic], k=2)
        rng.shuffle(said)
        wrong = rng.random() < WRONG_SHARE
        label = next(other for other in TOPICS if other != topic) if wrong else topic
        made.append({"request_id": f"r{n:05d}", "user_id": f"u{n % 97}", "label": label, "wrong": wrong,
                     "text": " ".join(said)})  # fmt: skip
    return made


def features(rows: int, *, rng: Random) -> list[dict[str, Any]]:
    """Returns that a desk refunds or looks at: by price and days together, and by country; some decided wrongly."""
    made = []
    for n in range(rows):
        logged = {
            "price": round(rng.lognormvariate(3.6, 0.7), 2),
            "shop": {"country": rng.choice(["at", "de", "fr", "it"]), "is_new": rng.random() < 0.5},
            "days": rng.randrange(45) if rng.random() < 0.9 else None,
        }
        right = logged["price"] < 60 and (logged["days"] or 0) < 30 and logged["shop"]["country"] != "it"  # type: ignore[index]
        wrong = rng.random() < WRONG_SHARE
        made.append({"request_id": f"r{n:05d}", "user_id": f"u{n % 97}", "label": right != wrong, "wrong": wrong,
                     "features": json.dumps(logged)})  # fmt: skip
    return made


def judged(
    rows: list[dict[str, Any]], of: Recipe, *, threads: int = 2
) -> tuple[dict[str, tuple[float | None, bool | None]], dict[str, Any]]:
    """Each row's quality and doubt by its request, and what the manifest tells."""
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {threads}")
        plant(connection, rows)
        fill_columns(connection, of, rows="planted")
        values = connection.execute("select request_id, label_quality, is_label_issue from planted").fetchall()
        return {request: (quality, issue) for request, quality, issue in values}, told(connection, of)["label_noise"]


def plant(connection: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    given = pa.Table.from_pylist(rows)  # noqa: F841  DuckDB reads it
    connection.execute(
        "create or replace temp table planted as "
        "select *, request_id as feedback_id, null::double as label_quality, null::boolean as is_label_issue from given"
    )


def precision_and_recall(
    rows: list[dict[str, Any]], values: dict[str, tuple[float | None, bool | None]]
) -> tuple[float, float]:
    suspected = {request for request, (_, issue) in values.items() if issue}
    wrong = {row["request_id"] for row in rows if row["wrong"]}
    return len(suspected & wrong) / len(suspected), len(suspected & wrong) / len(wrong)


TEXTS, FEATURES = texts(1_000, rng=Random("texts")), features(1_000, rng=Random("features"))
OF_TEXTS, OF_FEATURES = recipe("text"), recipe("features")


@pytest.mark.parametrize(
    ("rows", "of", "model"),
    [(TEXTS, OF_TEXTS, "naive Bayes over words"), (FEATURES, OF_FEATURES, "boosted trees")],
    ids=["texts", "features"],
)
def test_planted_wrong_labels_are_found(rows: list[dict[str, Any]], of: Recipe, model: str) -> None:
    """Who guesses is right as often as labels are wrong: in 8 of 100."""
    values, found = judged(rows, of)
    precision, recall = precision_and_recall(rows, values)
    assert precision > 0.75 and recall > 0.85
    assert found["model"] == model and found["expected_noise"] == pytest.approx(WRONG_SHARE, abs=0.04)
    assert sum(one["suspected"] for one in found["classes"]) == sum(issue is True for _, issue in values.values())
    assert sum(one["rows"] for one in found["classes"]) == len(rows)
    quality = {
        wrong: [values[row["request_id"]][0] for row in rows if row["wrong"] is wrong] for wrong in (True, False)
    }
    assert np.median(quality[True]) < 0.2 < 0.8 < np.median(quality[False])
    assert all(value == round(value, 1) for of_kind in quality.values() for value in of_kind)


def test_messages_are_read_as_texts() -> None:
    rows = [row | {"prompt": [{"role": "user", "content": row.pop("text")}]} for row in map(dict, TEXTS)]
    values, _ = judged(rows, recipe("prompt"))
    precision, recall = precision_and_recall(rows, values)
    assert precision > 0.75 and recall > 0.85


@pytest.mark.parametrize(("rows", "of"), [(TEXTS, OF_TEXTS), (FEATURES, OF_FEATURES)], ids=["texts", "features"])
def test_neither_the_order_of_rows_nor_threads_change_a_value(rows: list[dict[str, Any]], of: Recipe) -> None:
    shuffled = list(rows)
    Random(1).shuffle(shuffled)
    assert judged(rows, of, threads=1) == judged(shuffled, of, threads=4)


def test_a_word_counts_as_often_as_the_other_folds_have_it() -> None:
    """Compared with naive Bayes as one writes it down, row by row."""
    rows = TEXTS[:120]
    with duckdb.connect() as connection:
        plant(connection, rows)
        chosen = choose_rows(connection, OF_TEXTS, rows="planted")
        assert not isinstance(chosen, str)
        noise = OF_TEXTS.label_noise
        assert noise is not None
        scores = words.held_out_scores(connection, noise, chosen, rows="planted", types={"text": "VARCHAR"})
        folds = connection.execute(f"select class, fold from {JUDGED} order by n").fetchall()
    for row, (_, fold), found in zip(rows, folds, scores, strict=True):
        elsewhere = [
            Counter(
                word
                for other, (its_class, its_fold) in zip(rows, folds, strict=True)
                if its_fold != fold and its_class == one
                for word in set(other["text"].split())
            )
            for one in range(len(found))
        ]
        vocabulary = set().union(*elsewhere)
        for counts, score in zip(elsewhere, found, strict=True):
            total = counts.total() + len(vocabulary)
            said = set(row["text"].split()) & vocabulary
            assert score == pytest.approx(sum(math.log((counts[word] + 1) / total) for word in said), abs=1e-4)


@pytest.mark.parametrize(("by", "is_trusted"), [("user_id", False), ("request_id", True)])
def test_no_group_vouches_for_itself(by: str, is_trusted: bool) -> None:
    """One user has a word of their own in everything, and always the wrong label: the word must not make it right."""
    rows = texts(400, rng=Random("group"))
    for n in range(30):
        own = " ".join([*TOPICS["travel"][:2], *(f"signature{k}" for k in range(20))])
        rows.append({"request_id": f"s{n}", "user_id": "loud", "label": "billing", "wrong": True, "text": own})
    values, _ = judged(rows, recipe("text", by=by))
    (quality,) = {values[f"s{n}"][0] for n in range(30)}
    assert quality is not None
    assert quality > 0.9 if is_trusted else quality < 0.3


@pytest.mark.parametrize(
    ("rows", "of", "reason"),
    [
        (TEXTS[:99], OF_TEXTS, "Too few rows to tell: two classes of 10 rows or more"),
        ([row | {"label": "billing"} for row in TEXTS], OF_TEXTS, "Too few rows to tell: two classes"),
        ([row | {"user_id": "one"} for row in TEXTS], OF_TEXTS, "from several users or sessions"),
        ([row | {"label": f"c{n % 21}"} for n, row in enumerate(TEXTS)], OF_TEXTS, "The label has 21 classes"),
        (TEXTS, recipe("text", most_rows=999), "There are 1,000 rows, more than the 999"),
        ([row | {"label": f"{n * 7919 % 2}"} for n, row in enumerate(TEXTS)], OF_TEXTS, "`text` tell too little"),
        ([row | {"features": "{}"} for row in FEATURES], OF_FEATURES, "`features` tell too little"),
    ],
    ids=["few", "one class", "one user", "many classes", "large", "chance", "nothing logged"],
)  # fmt: skip
def test_where_nothing_can_be_told_all_is_null_and_the_card_says_why(
    rows: list[dict[str, Any]], of: Recipe, reason: str
) -> None:
    values, found = judged(rows, of)
    assert set(values.values()) == {(None, None)}
    assert reason in found["reason"]
    card = card_section({"recipe": of.to_dict(), "label_noise": found}, table=lambda head, rows: [])
    assert card[0] == "## Label noise" and card[-1].endswith(found["reason"])


def test_features_that_say_nothing_or_are_new_do_no_harm() -> None:
    """One is the same everywhere, one is logged by one user only: no other fold could learn it."""
    rows = [
        row | {"features": json.dumps(json.loads(row["features"]) | {"app": 4} | ({"new": n} if n % 97 == 5 else {}))}
        for n, row in enumerate(FEATURES)
    ]
    assert judged(rows, OF_FEATURES) == judged(FEATURES, OF_FEATURES)


def test_a_class_of_few_rows_is_not_judged() -> None:
    rows = [row | {"label": "rare"} if n < 9 else row for n, row in enumerate(TEXTS)]
    values, found = judged(rows, OF_TEXTS)
    unknown = {request for request, value in values.items() if value == (None, None)}
    assert unknown == {row["request_id"] for row in rows[:9]}
    assert [one["label"] for one in found["classes"]] == ["billing", "travel"]


def test_probabilities_mean_what_they_say() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.3
    evidence = rng.normal(np.where(truth, 1.0, -1.0))
    # Thrice as sure of itself as it may be.
    scores = np.stack([-3 * evidence, 3 * evidence], axis=1)
    found = calibrated(scores, truth.astype(int), with_shares=True)
    for low, high in ((0.1, 0.2), (0.4, 0.6), (0.8, 0.9)):
        within = (found.probabilities[:, 1] > low) & (found.probabilities[:, 1] < high)
        assert truth[within].mean() == pytest.approx(found.probabilities[within, 1].mean(), abs=0.03)
    assert 0.4 < found.skill < 0.6
    assert calibrated(scores, rng.permutation(truth.astype(int)), with_shares=True).skill == pytest.approx(0, abs=1e-3)


def test_the_card_counts_by_class_and_shows_no_long_label() -> None:
    secret = "what somebody wrote into the label " * 3
    rows = [row | {"label": secret} if row["label"] == "travel" else row for row in TEXTS]
    _, found = judged(rows, OF_TEXTS)
    shown: list[Any] = []
    section = card_section(
        {"recipe": OF_TEXTS.to_dict(), "label_noise": found},
        table=lambda head, cells: [str(shown.extend([head, *cells]))],
    )
    assert secret not in str(section) + str(shown) + str(found)
    assert [cell[0] for cell in shown] == ["label", "billing", "(others)"]
    assert f"suspects {sum(cell[2] for cell in shown[1:]):,} of 1,000 rows" in " ".join(section)


KTO = (REPOSITORY / "recipes" / "kto.yml").read_text(encoding="utf-8")
ASKED = "label_noise: {label: label, from: [prompt, completion]}"


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ("{from: [prompt]}", "label_noise must say `label` (a column) and `from` (columns)"),
        ("{label: label, from: [prompt], fold: 3}", "and may say `folds` and `most_rows`"),
        ("{label: label, from: prompt}", "label_noise.from is 'prompt'; write a list of columns"),
        ("{label: label, from: []}", "write a list of columns"),
        ("{label: label, from: [label]}", "holds the label 'label' itself; take it out"),
        ("{label: label, from: [prompt], folds: 1}", "label_noise.folds is 1; write 2 to 20"),
        ("{label: label, from: [prompt], most_rows: many}", "label_noise.most_rows is 'many'"),
        ("{label: label, from: [question]}", "label_noise: 'question' is none of the columns; add it there"),
        (
            "{label: label, from: [prompt]}\nlimits: [x]\nsplit: {by: judgement_count, shares: {train: 1}}",
            "needs 'judgement_count'",
        ),
    ],
)
def test_a_wrong_recipe_is_refused_with_field_and_cure(tmp_path: Path, instead: str, said: str) -> None:
    text = KTO.replace(ASKED, f"label_noise: {instead}")
    if "split" in instead:
        text = text.replace(text[text.index("split:\n") : text.index("retrain_when")], "", 1)
    path = tmp_path / "kto.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"^kto\.yml") as refused:
        load_recipe(path)
    assert said in str(refused.value)


def test_a_recipe_whose_libraries_are_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_label_noise, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"feedback-attribution\[label-noise\]"):
        load_recipe(REPOSITORY / "recipes" / "kto.yml")


def test_the_two_columns_are_declared_by_the_field_alone() -> None:
    loaded = load_recipe(REPOSITORY / "recipes" / "tabular.yml")
    assert list(loaded.columns)[-2:] == ["label_quality", "is_label_issue"]
    without = replace(loaded, label_noise=None, columns={"request_id": "r"}, values={})
    assert with_noise_columns("x", without) == without


@pytest.mark.skipif("FEEDBACK_REAL_DATA" not in os.environ, reason="FEEDBACK_REAL_DATA names no folder of real data")
def test_wrong_labels_are_found_among_what_experts_asked() -> None:
    """ExpertQA's questions and the experts' fields, of which some are planted wrong; the others may be wrong, too."""
    path = Path(os.environ["FEEDBACK_REAL_DATA"]) / "05_expertqa" / "rand_val.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        asked = [json.loads(line) for line in file]
    rng, rows = Random("expertqa"), []
    for n, one in enumerate(asked):
        is_health = "Healthcare" in one["metadata"]["field"] or "Medicine" in one["metadata"]["field"]
        wrong = rng.random() < WRONG_SHARE
        answer = next(iter(one["answers"].values()))["answer_string"]
        rows.append({"request_id": f"r{n}", "user_id": str(one["annotator_id"]), "label": is_health != wrong,
                     "wrong": wrong, "prompt": one["question"], "completion": answer})  # fmt: skip
    values, found = judged(rows, recipe("prompt", "completion"))
    precision, recall = precision_and_recall(rows, values)
    print("REAL", found, precision, recall)
    assert precision > 3 * WRONG_SHARE and recall > 0.5
