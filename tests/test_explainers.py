"""Feature attributions, model by model: the values are shap's own, and add up to what the model answers."""

from pathlib import Path

import lightgbm
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import shap
import xgboost
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from orchestration.lib.explainers import PERMUTATION_SEED, Explained, make_explainer
from orchestration.lib.model_artefacts import load_model
from orchestration.lib.model_registry import RegistryError, load_registry
from tests.tabular_models import FEATURES, Registry, labels, rows, three_labels

TRAINED, ASKED = rows(200), rows(230)[200:]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def explain(registry: Registry, x: object = ASKED) -> tuple[str, Explained]:
    """The registry's only model on rows; also how it was explained."""
    (entry,) = load_registry(registry.file).entries
    explainer = make_explainer(load_model(entry))
    return explainer.method, explainer.explain(np.asarray(x, dtype=np.float64))


def assert_adds_up(explained: Explained, outputs: object) -> None:
    np.testing.assert_allclose(explained.output, np.asarray(outputs), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(explained.base + explained.values.sum(axis=1), explained.output, rtol=1e-5, atol=1e-5)
    assert explained.gap < 1e-5


def test_a_forest_is_explained_in_the_probability_of_the_class_that_it_answered(registry: Registry) -> None:
    forest = RandomForestClassifier(20, random_state=1).fit(TRAINED, three_labels(TRAINED))
    registry.sklearn("forest", forest)
    method, explained = explain(registry)
    theirs = shap.TreeExplainer(forest)(ASKED)
    answered = forest.predict_proba(ASKED).argmax(axis=1)
    assert method == "tree"
    assert explained.output_names == list(forest.predict(ASKED))
    np.testing.assert_allclose(explained.values, theirs.values[np.arange(len(ASKED)), :, answered])
    assert_adds_up(explained, forest.predict_proba(ASKED).max(axis=1))


def test_a_registry_can_name_the_class_to_explain(registry: Registry) -> None:
    forest = RandomForestClassifier(20, random_state=1).fit(TRAINED, three_labels(TRAINED))
    registry.sklearn("forest", forest, output="low")
    _, explained = explain(registry)
    low = list(forest.classes_).index("low")
    np.testing.assert_allclose(explained.values, shap.TreeExplainer(forest)(ASKED).values[:, :, low])
    assert set(explained.output_names) == {"low"}
    registry.entries[0]["output"] = "lowest"
    registry.write()
    with pytest.raises(RegistryError, match="no output 'lowest'; its outputs are high, low, middle"):
        explain(registry)


@pytest.mark.parametrize(
    "model",
    [GradientBoostingClassifier(n_estimators=15, random_state=1), HistGradientBoostingClassifier(max_iter=15)],
    ids=["gradient", "histogram"],
)
def test_boosted_trees_are_explained_in_their_log_odds(registry: Registry, model: GradientBoostingClassifier) -> None:
    model.fit(TRAINED, labels(TRAINED))
    registry.sklearn("boosted", model)
    method, explained = explain(registry)
    assert method == "tree" and set(explained.output_names) == {"1"}
    np.testing.assert_allclose(explained.values, shap.TreeExplainer(model)(ASKED).values)
    assert_adds_up(explained, model.decision_function(ASKED))


def test_a_regression_forest_is_explained_in_its_prediction(registry: Registry) -> None:
    model = RandomForestRegressor(10, random_state=1).fit(TRAINED, TRAINED[:, 1] * 2)
    registry.sklearn("regression", model)
    _, explained = explain(registry)
    np.testing.assert_allclose(explained.values, shap.TreeExplainer(model)(ASKED).values)
    assert_adds_up(explained, model.predict(ASKED))
    assert set(explained.output_names) == {"prediction"}


def test_linear_models_are_explained_against_their_background(registry: Registry) -> None:
    model = LinearRegression().fit(TRAINED, TRAINED @ [1, 2, 3])
    background = TRAINED[:150]
    registry.sklearn("linear", model, background=registry.background(background))
    method, explained = explain(registry)
    theirs = shap.LinearExplainer(model, shap.maskers.Independent(background, max_samples=150))(ASKED)
    assert method == "linear"
    np.testing.assert_allclose(explained.values, theirs.values)
    # What a linear model's shap values are by definition.
    np.testing.assert_allclose(explained.values, (ASKED - background.mean(axis=0)) * model.coef_, atol=1e-9)
    assert_adds_up(explained, model.predict(ASKED))


def test_logistic_regression_is_explained_in_its_log_odds(registry: Registry) -> None:
    model = LogisticRegression(max_iter=1000).fit(TRAINED, labels(TRAINED))
    registry.sklearn("logistic", model, background=registry.background(TRAINED[:50]))
    _, explained = explain(registry)
    assert_adds_up(explained, model.decision_function(ASKED))


def test_a_linear_model_without_a_background_is_refused_with_the_cure(registry: Registry) -> None:
    registry.sklearn("linear", LinearRegression().fit(TRAINED, TRAINED[:, 0]))
    with pytest.raises(RegistryError, match="linear model is explained against a background; add `background`"):
        explain(registry)


@pytest.mark.parametrize("classes", [2, 3])
def test_xgboost_is_explained_in_its_margin(registry: Registry, classes: int) -> None:
    targets = labels(TRAINED) if classes == 2 else labels(TRAINED) + (TRAINED[:, 0] > 45)
    model = xgboost.XGBClassifier(n_estimators=12, max_depth=3, random_state=1).fit(
        pd.DataFrame(TRAINED, columns=FEATURES), targets
    )
    path = registry.folder / "model.ubj"
    model.save_model(path)
    registry.add("xgb", "xgboost", path, classes=["no", "yes", "both"][:classes])
    asked = ASKED.copy()
    asked[3, 1] = np.nan  # trees of this kind have a branch for what is missing
    method, explained = explain(registry, asked)
    margins = model.predict(pd.DataFrame(asked, columns=FEATURES), output_margin=True)
    theirs = shap.TreeExplainer(model)(asked).values
    assert method == "tree"
    if classes == 2:
        np.testing.assert_allclose(explained.values, theirs)
        assert set(explained.output_names) == {"yes"}
        assert_adds_up(explained, margins)
    else:
        each = np.arange(len(asked))
        np.testing.assert_allclose(explained.values, theirs[each, :, margins.argmax(axis=1)])
        assert_adds_up(explained, margins.max(axis=1))


def test_lightgbm_is_explained_with_its_categories(registry: Registry) -> None:
    cities = np.array(["Rome", "Oslo", "Lima"])[(TRAINED[:, 0] % 3).astype(int)]
    frame = pd.DataFrame(TRAINED, columns=FEATURES).assign(city=pd.Categorical(cities))
    model = lightgbm.LGBMClassifier(n_estimators=12, random_state=1, verbose=-1, min_data_per_group=5)
    model.fit(frame, labels(TRAINED) ^ (cities == "Rome"))
    path = registry.folder / "model.txt"
    model.booster_.save_model(path)
    registry.add("lgb", "lightgbm", path, features=[*FEATURES, "city"], categorical=["city"])
    (entry,) = load_registry(registry.file).entries
    explainer = make_explainer(load_model(entry))
    asked = [
        dict(zip(FEATURES, map(float, row), strict=True)) | {"city": c} for row, c in zip(TRAINED, cities, strict=True)
    ]
    encoded = np.array([explainer.model.encoder.encode(features) for features in asked[:40]])
    explained = explainer.explain(encoded)
    theirs = shap.TreeExplainer(model.booster_)(frame[:40]).values
    np.testing.assert_allclose(explained.values, theirs)
    assert np.abs(explained.values[:, 3]).max() > 0.01  # the category counts
    assert_adds_up(explained, model.predict(frame[:40], raw_score=True))


def test_an_mlflow_folder_is_explained_exactly_with_few_features(registry: Registry) -> None:
    # A whole pipeline: explained in what was logged, and not in what the scaler made of it.
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=1))
    frame = pd.DataFrame(TRAINED, columns=FEATURES).assign(age=TRAINED[:, 0].astype(int))
    pipeline.fit(frame, TRAINED[:, 1] > 3)
    folder = registry.folder / "pyfunc"
    signature = mlflow.models.infer_signature(frame, pipeline.predict_proba(frame))
    mlflow.sklearn.save_model(
        pipeline, folder, pyfunc_predict_fn="predict_proba", signature=signature, pip_requirements=[],
        serialization_format="cloudpickle",
    )  # fmt: skip
    background = frame[:20].to_numpy()
    registry.add("pyfunc", "mlflow_pyfunc", folder, background=registry.background(background))
    asked = frame[20:28].to_numpy()
    method, explained = explain(registry, asked)
    model = mlflow.pyfunc.load_model(str(folder))

    def predict(x: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(pd.DataFrame(x, columns=FEATURES).astype({"age": "int64"})))

    theirs = shap.explainers.Exact(predict, shap.maskers.Independent(background, max_samples=20))(asked)
    answered = predict(asked).argmax(axis=1)
    assert method == "exact"
    np.testing.assert_allclose(explained.values, theirs.values[np.arange(8), :, answered], atol=1e-12)
    assert_adds_up(explained, predict(asked).max(axis=1))


def test_many_features_are_explained_by_permutations_that_do_not_depend_on_the_batch(registry: Registry) -> None:
    names = [f"f{n}" for n in range(12)]
    x = np.random.default_rng(3).normal(size=(80, 12))
    model = make_pipeline(StandardScaler(), RandomForestRegressor(5, random_state=1)).fit(x, x[:, 0] * x[:, 1])
    registry.sklearn("wide", model, features=names, background=registry.background(x[:10], names))
    method, together = explain(registry, x[:3])
    _, alone = explain(registry, x[2:3])
    masker = shap.maskers.Independent(x[:10], max_samples=10)
    theirs = shap.explainers.Permutation(model.predict, masker, seed=PERMUTATION_SEED)(x[2:3], max_evals=500)
    assert method == "permutation"
    np.testing.assert_array_equal(together.values[2], alone.values[0])
    np.testing.assert_allclose(alone.values, theirs.values, atol=1e-12)
    assert_adds_up(together, model.predict(x[:3]))
