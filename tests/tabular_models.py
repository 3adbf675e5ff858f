"""Small tabular models of every flavor, trained with their own libraries, as a registry names them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from orchestration.lib.model_registry import content_sha256

FEATURES = ["age", "income", "debt"]
SEED = 7


def rows(n: int = 60) -> npt.NDArray[np.float64]:
    """(n, 3): rounded, so that JSON holds them exactly."""
    return np.random.default_rng(SEED).normal([40, 3, 1], [12, 1, 0.5], (n, 3)).round(3)


def labels(x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Two classes: what is earned against what is owed, with a bend in it."""
    return ((x[:, 1] - 2 * x[:, 2] + 0.02 * (x[:, 0] - 40)) * (1 + 0.3 * x[:, 2]) > 1).astype(int)


def three_labels(x: npt.NDArray[np.float64]) -> npt.NDArray[np.str_]:
    return np.array(["low", "middle", "high"])[labels(x) + (x[:, 0] > 45)]


class Registry:
    """A folder with artefacts and the file that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "models.yml"
        self.entries: list[dict[str, Any]] = []

    def add(
        self, version: str, flavor: str, artefact: Path, *, features: Sequence[str] = FEATURES, **fields: Any
    ) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "model_version": version,
            "flavor": flavor,
            "path": artefact.relative_to(self.folder).as_posix(),
            "sha256": content_sha256(artefact),
            "features": list(features),
            **fields,
        }
        self.entries.append(entry)
        self.write()
        return entry

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump({"models": self.entries}, sort_keys=False), encoding="utf-8")

    def sklearn(self, version: str, model: Any, **fields: Any) -> dict[str, Any]:
        path = self.folder / f"{version}.joblib"
        joblib.dump(model, path)
        return self.add(version, "sklearn", path, **fields)

    def background(self, x: npt.NDArray[np.float64], features: Sequence[str] = FEATURES) -> dict[str, str]:
        path = self.folder / f"background-{len(features)}.parquet"
        pd.DataFrame(x, columns=list(features)).to_parquet(path, index=False)
        return {"path": path.name, "sha256": content_sha256(path)}
