"""Erasing from the command line: land the event, then run the job that the UI and the schedules run, too."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import dagster as dg

from orchestration.lib.erasure.events import land_erasure
from orchestration.lib.erasure.models import TRAINED_MODELS, register_model
from orchestration.lib.instance import ensure_dagster_home, open_instance
from orchestration.lib.names import APPLIED_ERASURES, ERASURE_JOB, ERASURE_REPORTS
from orchestration.lib.runs import run_job
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import built_versions


def erase(
    settings: Settings,
    user_id: str | None,
    *,
    reason: str | None,
    received_date: date,
    tell: Callable[[str], None],
) -> str | None:
    """Lands an erasure, if there is one, and completes all that are not; returns why it stopped, if it did.

    The run is of the newest partition that is built: an erasure brings no day about that was not there before.
    """
    if user_id is not None:
        tell(f"landed {land_erasure(settings, user_id, reason=reason, received_date=received_date)}")
    built = built_versions(settings)
    newest = max(built, default=received_date)
    # Of no warehouse nothing has to follow.
    only = None if built else [APPLIED_ERASURES, ERASURE_REPORTS]
    return run_job(settings, ERASURE_JOB, newest, newest, only=only, tell=tell).failure


def register(settings: Settings, model: str, datasets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Registers a trained model, and shows it in the UI."""
    told = register_model(settings, model, datasets)
    ensure_dagster_home(settings)
    metadata = {
        "model": dg.MetadataValue.text(model),
        "datasets": dg.MetadataValue.json(told["datasets"]),
        "registered_at": dg.MetadataValue.text(told["registered_at"]),
    }
    with open_instance() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(TRAINED_MODELS, metadata=metadata))
    return told
