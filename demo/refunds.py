"""A refund desk's week: a tabular model that was trained right and is fed wrong by one of its clients.

The model decides whether a return is refunded at once or looked at. An old version of the app sends the price in cents:
its returns look dear, and are looked at in vain. Clerks judge half of the answers, and the feature attributions of
those that they found wrong point at `price`. Trained here, with a seed, so that nothing binary is kept in the
repository; the registry that names it is written beside the landing folder.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from demo.files import LandingConflict, write_lines
from demo.week import DAYS

VERSION = "refunds-2019-11"
FEATURES = ("price", "days_since_delivery", "earlier_returns", "customer_months")
RETURNS_A_DAY = 80
TRAINING_RETURNS = 2_000
# Of the requests; enough that most wrong answers come from it.
OLD_APP_SHARE = 0.12
JUDGED_SHARE = 0.5
CLERKS = 6
HEADER = "# Written by `python -m demo`: the model that answered on the demo's refund desk.\n"

Features = dict[str, float]


def write_refunds(data_dir: Path) -> dict[str, int]:
    """Writes the model, its registry and one file a stream and day; returns the counts of lines.

    Writes nothing where scikit-learn, which trains the model, is not installed.
    """
    if find_spec("sklearn") is None:
        return {"inferences (scikit-learn is not installed)": 0}
    model = _trained()
    _write_registry(data_dir, model)
    counts = {"inferences": 0, "feedback": 0}
    for day in DAYS:
        events = list(_events(day, model))
        for stream in counts:
            lines = [json.dumps(event).encode() for of_stream, event in events if of_stream == stream]
            write_lines(data_dir, stream=stream, day=day, name="refund-desk.jsonl", lines=lines)
            counts[stream] += len(lines)
    return counts


def _return(rng: Random) -> Features:
    return {
        "price": round(rng.lognormvariate(3.6, 0.7), 2),
        "days_since_delivery": float(rng.randrange(0, 45)),
        "earlier_returns": float(min(int(rng.expovariate(0.6)), 9)),
        "customer_months": float(rng.randrange(0, 72)),
    }


def _deserves_refund(features: Features) -> bool:
    """What a clerk would say: cheap, soon, and not by somebody who always sends things back."""
    patience = 14 + features["customer_months"] / 6
    return features["price"] < 120 and features["days_since_delivery"] < patience and features["earlier_returns"] < 4


def _trained() -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    rng = Random("demo/refunds/training")
    returns = [_return(rng) for _ in range(TRAINING_RETURNS)]
    model = GradientBoostingClassifier(n_estimators=60, max_depth=3, random_state=0)
    return model.fit(
        [[features[name] for name in FEATURES] for features in returns],
        ["refund" if _deserves_refund(features) else "look" for features in returns],
    )


def _write_registry(data_dir: Path, model: Any) -> None:
    import joblib

    registry, artefact = data_dir / "models.yml", data_dir / "models" / f"{VERSION}.joblib"
    if registry.exists() and not registry.read_text(encoding="utf-8").startswith(HEADER):
        raise LandingConflict(f"{registry} is there and not the demo's; move it away or choose another --data-dir")
    artefact.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, artefact)
    registry.write_text(
        f"{HEADER}models:\n"
        f"  - model_version: {VERSION}\n"
        "    flavor: sklearn\n"
        f"    path: models/{artefact.name}\n"
        f"    sha256: {hashlib.sha256(artefact.read_bytes()).hexdigest()}\n"
        f"    features: [{', '.join(FEATURES)}]\n",
        encoding="utf-8",
    )


def _events(day: date, model: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The day's answers in the order of their time, and the clerks' thumbs, as pairs of stream and event."""
    rng = Random(f"demo/refunds/{day}")
    asked_at = sorted(rng.randrange(8 * 3600, 20 * 3600) for _ in range(RETURNS_A_DAY))
    for n, second in enumerate(asked_at):
        features = _return(rng)
        right = "refund" if _deserves_refund(features) else "look"
        old_app = rng.random() < OLD_APP_SHARE
        logged = features | {"price": round(features["price"] * 100)} if old_app else features
        scores = model.predict_proba([[logged[name] for name in FEATURES]])[0]
        answer = str(model.classes_[scores.argmax()])
        at = datetime.combine(day, time(), UTC) + timedelta(seconds=second)
        request_id = f"refund-{day}-{n:03d}"
        yield (
            "inferences",
            {
                "request_id": request_id,
                "timestamp": at.isoformat(),
                "model_name": "refunds",
                "model_version": VERSION,
                "endpoint": "/refunds/decide",
                "input": {"features": logged | {"app": "3.8" if old_app else "4.1"}},
                "output": {"label": answer, "score": round(float(scores.max()), 4)},
            },
        )
        if rng.random() < JUDGED_SHARE:
            yield (
                "feedback",
                {
                    "feedback_id": f"clerk-{request_id}",
                    "request_id": request_id,
                    "timestamp": (at + timedelta(minutes=rng.randrange(20, 180))).isoformat(),
                    "thumbs": "up" if answer == right else "down",
                    "user_id": f"clerk-{rng.randrange(CLERKS)}",
                    "source": "annotator",
                },
            )
