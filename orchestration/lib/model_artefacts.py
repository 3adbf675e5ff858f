"""Opening a model of the registry: what was pinned is loaded, by its flavor, and can be asked for its outputs.

What is explained is the output that `shap` explains of such a model: a boosted model's margin (log-odds), a forest's
probabilities, a linear model's linear predictor, and else what `predict_proba` or `predict` returns.
"""

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestration.lib.feature_rows import Encoder
from orchestration.lib.model_registry import (
    MOST_BACKGROUND_ROWS,
    ModelEntry,
    PinnedFile,
    RegistryError,
    content_sha256,
)

Matrix = npt.NDArray[np.float64]  # (rows, features) or (rows, outputs)


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. `native` is what shap's tree and linear explainers take, None where neither can.

    `outputs` maps rows of numbers, as `encoder` makes them, to (rows, outputs).
    """

    entry: ModelEntry
    kind: str  # "tree", "linear" or "function"
    native: Any
    outputs: Callable[[Matrix], Matrix]
    encoder: Encoder
    class_names: tuple[str, ...] = ()
    background: Matrix | None = None
    kept: Any = field(default=None, repr=False)  # a folder that lives as long as the model does

    def output_names(self, count: int) -> tuple[str, ...]:
        """What each explained output is called; a margin or probability alone is that of the last class."""
        names = self.entry.classes or self.class_names
        if count == 1:
            return (names[-1],) if names else ("prediction",)
        return names if len(names) == count else tuple(str(position) for position in range(count))


def load_model(entry: ModelEntry) -> LoadedModel:
    """Raises RegistryError when the artefact is missing, not the pinned one, not loadable or of other features."""
    loaded = _LOADERS[entry.flavor](entry)
    if entry.background is None:
        return loaded
    return LoadedModel(**{**loaded.__dict__, "background": _background(entry, entry.background, loaded.encoder)})


def _verified(entry: ModelEntry, file: PinnedFile, what: str) -> bytes:
    """A file's bytes, of which the hash is known: they can not change between the check and the use."""
    if not file.path.is_file():
        raise RegistryError(f"model {entry.title}: its {what} {file.path} is missing or no file; put it there")
    content = file.path.read_bytes()
    _compare(entry, file, hashlib.sha256(content).hexdigest(), what)
    return content


def _compare(entry: ModelEntry, file: PinnedFile, found: str, what: str) -> None:
    if found != file.sha256:
        raise RegistryError(
            f"model {entry.title}: its {what} {file.path} has sha256 {found}, and the registry pins {file.sha256}; "
            "it is not loaded. Restore the file, or pin the new one if you trust it (under its own model_version)"
        )


def _load(entry: ModelEntry, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        raise RegistryError(
            f"model {entry.title}: {entry.artefact.path} can not be loaded as {entry.flavor}: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from error


def _same_features(entry: ModelEntry, trained: list[str] | None, count: int | None) -> None:
    if trained and tuple(trained) != entry.features:
        raise RegistryError(
            f"model {entry.title}: it was trained with the features {', '.join(trained)}; the registry must list "
            "them, in this order"
        )
    if count is not None and count != len(entry.features):
        raise RegistryError(f"model {entry.title}: it takes {count} features, the registry lists {len(entry.features)}")


def _columns(values: Any) -> Matrix:
    """Predictions as (rows, outputs)."""
    matrix = np.asarray(values, dtype=np.float64)
    return matrix.reshape(-1, 1) if matrix.ndim == 1 else matrix


def _sklearn(entry: ModelEntry) -> LoadedModel:
    import joblib
    import shap
    from sklearn.base import is_classifier, is_regressor
    from sklearn.utils import get_tags

    content = _verified(entry, entry.artefact, "artefact")
    model = _load(entry, lambda: joblib.load(io.BytesIO(content)))
    if not hasattr(model, "predict"):
        raise RegistryError(f"model {entry.title}: {entry.artefact.path} holds a {type(model).__name__}, not a model")
    names = getattr(model, "feature_names_in_", None)
    _same_features(entry, None if names is None else [str(n) for n in names], getattr(model, "n_features_in_", None))
    histogram = type(model).__name__.startswith("HistGradientBoosting")
    # shap reads the thresholds of a histogram's trees and not their categories.
    numeric = not entry.categorical and getattr(model, "is_categorical_", None) is None
    known = numeric and (is_classifier(model) or is_regressor(model))
    takes_missing = histogram
    if known and shap.TreeExplainer.supports_model_with_masker(model, None):
        kind = "tree"
        boosted = hasattr(model, "decision_function")
        predict = model.decision_function if boosted else getattr(model, "predict_proba", model.predict)
    elif known and hasattr(model, "coef_") and hasattr(model, "intercept_"):
        kind = "linear"
        predict = _linear_predictor(model)
    else:
        kind = "function"
        predict = getattr(model, "predict_proba", model.predict)
        takes_missing = bool(get_tags(model).input_tags.allow_nan)
    encoder = Encoder(entry, takes_missing=takes_missing)

    def outputs(rows: Matrix) -> Matrix:
        return _columns(predict(rows if kind == "linear" or names is None else encoder.decode(rows)))

    classes = tuple(str(c) for c in getattr(model, "classes_", ()))
    return LoadedModel(entry, kind, model, outputs, encoder, classes)


def _linear_predictor(model: Any) -> Callable[[Matrix], Matrix]:
    coefficients = np.atleast_2d(model.coef_)
    return lambda rows: np.asarray(rows @ coefficients.T + model.intercept_, dtype=np.float64)


def _xgboost(entry: ModelEntry) -> LoadedModel:
    import xgboost

    content = _verified(entry, entry.artefact, "artefact")

    def load() -> Any:
        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
        return booster

    booster = _load(entry, load)
    _same_features(entry, booster.feature_names, booster.num_features())

    def outputs(rows: Matrix) -> Matrix:
        matrix = xgboost.DMatrix(rows, feature_names=booster.feature_names)
        return _columns(booster.predict(matrix, output_margin=True))

    return LoadedModel(entry, "tree", booster, outputs, Encoder(entry, takes_missing=True))


def _lightgbm(entry: ModelEntry) -> LoadedModel:
    import lightgbm

    content = _verified(entry, entry.artefact, "artefact")
    booster = _load(entry, lambda: lightgbm.Booster(model_str=content.decode("utf-8")))
    trained = booster.feature_name()
    unnamed = trained == [f"Column_{position}" for position in range(len(trained))]
    _same_features(entry, None if unnamed else trained, booster.num_feature())
    encoder = Encoder(entry, takes_missing=True)

    def outputs(rows: Matrix) -> Matrix:
        return _columns(booster.predict(native_frame(encoder, rows), raw_score=True))

    return LoadedModel(entry, "tree", booster, outputs, encoder)


def native_frame(encoder: Encoder, rows: Matrix) -> Any:
    """Rows as LightGBM takes them: a matrix, or with categories a data frame of pandas' categories."""
    if not encoder.entry.categorical:
        return rows
    frame = encoder.decode(rows)
    return frame.astype(dict.fromkeys(encoder.entry.categorical, "category"))


def _mlflow_pyfunc(entry: ModelEntry) -> LoadedModel:
    # Neither a tracking server nor anybody else is told that a model was loaded.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow.pyfunc

    if not entry.artefact.path.is_dir():
        raise RegistryError(f"model {entry.title}: its artefact {entry.artefact.path} is missing or no folder")
    # The copy is checked and loaded: the folder itself could change between the two, and gets no caches.
    folder = tempfile.TemporaryDirectory(prefix="model-")
    copy = Path(folder.name) / "model"
    shutil.copytree(entry.artefact.path, copy, ignore=shutil.ignore_patterns("__pycache__"))
    _compare(entry, entry.artefact, content_sha256(copy), "artefact")
    model = _load(entry, lambda: mlflow.pyfunc.load_model(str(copy)))
    schema = model.metadata.get_input_schema()
    types = {c.name: c.type.to_pandas() for c in schema.inputs} if schema and schema.has_input_names() else {}
    _same_features(entry, list(types) or None, None)
    encoder = Encoder(entry, takes_missing=True)

    def outputs(rows: Matrix) -> Matrix:
        frame = encoder.decode(rows)
        # A signature refuses floats where the model was trained with whole numbers or booleans.
        whole = {n: t for n, t in types.items() if n not in entry.categorical and not frame[n].isna().any()}
        return _columns(model.predict(frame.astype(whole)))

    return LoadedModel(entry, "function", None, outputs, encoder, kept=folder)


_LOADERS: dict[str, Callable[[ModelEntry], LoadedModel]] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "mlflow_pyfunc": _mlflow_pyfunc,
}


def _background(entry: ModelEntry, file: PinnedFile, encoder: Encoder) -> Matrix:
    import pandas as pd

    content = io.BytesIO(_verified(entry, file, "background"))
    frame = _load(entry, lambda: pd.read_parquet(content) if file.path.suffix == ".parquet" else pd.read_csv(content))
    if missing := [name for name in entry.features if name not in frame.columns]:
        raise RegistryError(f"model {entry.title}: its background {file.path} has no column {missing[0]!r}")
    if not 1 <= len(frame) <= MOST_BACKGROUND_ROWS:
        raise RegistryError(
            f"model {entry.title}: its background {file.path} has {len(frame):,} rows; give a sample of 1 to "
            f"{MOST_BACKGROUND_ROWS:,}, since every explanation asks the model for each of them"
        )
    columns = {name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in entry.features}
    rows = [encoder.encode(dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)]
    if refused := next((row for row in rows if isinstance(row, str)), None):
        raise RegistryError(f"model {entry.title}: its background {file.path} has a row with {refused}")
    return np.array(rows, dtype=np.float64)
