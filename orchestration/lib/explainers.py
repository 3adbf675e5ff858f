"""SHAP values of a loaded model: shap's own explainer for its kind, and nothing that depends on chance.

| kind | explainer | base value |
|---|---|---|
| trees | TreeExplainer, path dependent | the mean over the training data, as the trees hold it |
| linear | LinearExplainer | the mean over the background |
| other, up to 10 features | Exact | the mean over the background |
| other, more features | Permutation, seeded for each row | the mean over the background |

A row's values follow from the row, the model and the background, not from what is explained beside it: so that batches
can be cut anywhere, and a day comes out the same whenever it is explained.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestration.lib.model_artefacts import LoadedModel, Matrix, native_frame
from orchestration.lib.model_registry import RegistryError

# 2 ** 10 subsets for each background row is what an exact answer may cost.
MOST_EXACT_FEATURES = 10
PERMUTATION_SEED = 20240101
# As many evaluations as shap takes by default, and at least ten permutations there and back.
LEAST_PERMUTATION_EVALUATIONS = 500

# Rows to shap values (rows, features, outputs) and base values (rows, outputs).
Values = Callable[[Matrix], tuple[npt.NDArray[np.float64], Matrix]]


@dataclass(frozen=True)
class Explained:
    """What was explained of each row: (rows, features) and three times (rows,)."""

    values: Matrix
    base: npt.NDArray[np.float64]
    output: npt.NDArray[np.float64]
    output_names: list[str]

    @property
    def gap(self) -> float:
        """How far base and values are from adding up to the output, at worst."""
        return float(np.max(np.abs(self.base + self.values.sum(axis=1) - self.output), initial=0.0))


@dataclass(frozen=True)
class Explainer:
    """A model with the shap explainer that fits it; `method` is that explainer's name."""

    model: LoadedModel
    method: str
    values: Values

    def explain(self, rows: Matrix) -> Explained:
        """Explains rows (rows, features), as the model's encoder makes them, of one output each.

        That output is the registry's, or else the one that the model ranks highest in this row: its answer.
        """
        outputs = self.model.outputs(rows)
        values, base = self.values(rows)
        names = self.model.output_names(outputs.shape[1])
        wanted = self.model.entry.output
        if wanted is not None and wanted not in names:
            raise RegistryError(
                f"model {self.model.entry.title}: it has no output {wanted!r}; its outputs are {', '.join(names)}"
            )
        chosen = outputs.argmax(axis=1) if wanted is None else np.full(len(rows), names.index(wanted))
        each = np.arange(len(rows))
        return Explained(
            values=values[each, :, chosen],
            base=base[each, chosen],
            output=outputs[each, chosen],
            output_names=[names[position] for position in chosen],
        )


def make_explainer(model: LoadedModel) -> Explainer:
    """Raises RegistryError where the explainer needs a background and the registry names none."""
    if model.kind == "tree":
        return Explainer(model, "tree", _tree(model))
    if model.background is None:
        raise RegistryError(
            f"model {model.entry.title}: a {'linear model' if model.kind == 'linear' else 'model that is no tree'} is "
            "explained against a background; add `background` with a .parquet or .csv of some hundred typical rows"
        )
    if model.kind == "linear":
        return Explainer(model, "linear", _linear(model, model.background))
    if len(model.entry.features) <= MOST_EXACT_FEATURES:
        return Explainer(model, "exact", _exact(model, model.background))
    return Explainer(model, "permutation", _permutation(model, model.background))


def _shaped(values: Any, base: Any) -> tuple[npt.NDArray[np.float64], Matrix]:
    """shap leaves out the axis of a single output, and gives one base value for all rows or one for each."""
    values = np.asarray(values, dtype=np.float64)
    values = values[:, :, np.newaxis] if values.ndim == 2 else values
    base = np.asarray(base, dtype=np.float64)
    base = base.reshape(len(values), -1) if base.size == len(values) * values.shape[2] else base.reshape(1, -1)
    return values, np.broadcast_to(base, (len(values), values.shape[2]))


def _tree(model: LoadedModel) -> Values:
    import shap

    try:
        explainer = shap.TreeExplainer(model.native)
    except Exception as error:
        raise RegistryError(
            f"model {model.entry.title}: shap can not read its trees ({type(error).__name__}); explain it as "
            "mlflow_pyfunc with a background"
        ) from None

    def values(rows: Matrix) -> tuple[npt.NDArray[np.float64], Matrix]:
        given = native_frame(model.encoder, rows) if model.entry.flavor == "lightgbm" else rows
        found = explainer.shap_values(given, check_additivity=False)
        return _shaped(found, np.atleast_1d(explainer.expected_value)[np.newaxis, :])  # known only after a call

    return values


def _independent(background: Matrix) -> Any:
    """The whole background: by default shap takes a random hundred of it."""
    import shap

    return shap.maskers.Independent(background, max_samples=len(background))


def _linear(model: LoadedModel, background: Matrix) -> Values:
    import shap

    explainer = shap.LinearExplainer(model.native, _independent(background))
    return lambda rows: _shaped(explainer.shap_values(rows), np.atleast_1d(explainer.expected_value)[np.newaxis, :])


def _exact(model: LoadedModel, background: Matrix) -> Values:
    import shap

    explainer = shap.explainers.Exact(model.outputs, _independent(background))

    def values(rows: Matrix) -> tuple[npt.NDArray[np.float64], Matrix]:
        found = explainer(rows, silent=True)
        return _shaped(found.values, found.base_values)

    return values


def _permutation(model: LoadedModel, background: Matrix) -> Values:
    import shap

    evaluations = max(LEAST_PERMUTATION_EVALUATIONS, 10 * (2 * len(model.entry.features) + 1))

    def values(rows: Matrix) -> tuple[npt.NDArray[np.float64], Matrix]:
        before = np.random.get_state()  # shap seeds numpy's global generator
        found = []
        try:
            for row in rows:
                explainer = shap.explainers.Permutation(model.outputs, _independent(background), seed=PERMUTATION_SEED)
                explained = explainer(row[np.newaxis, :], max_evals=evaluations, silent=True)
                found.append(_shaped(explained.values, explained.base_values))
        finally:
            np.random.set_state(before)
        return np.concatenate([v for v, _ in found]), np.concatenate([b for _, b in found])

    return values
