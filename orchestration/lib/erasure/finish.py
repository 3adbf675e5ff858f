"""The second half of an erasure, when warehouse and datasets have followed: what is left over goes, every file is
searched, the report is signed, and the plan goes. Whoever calls holds the warehouse's lock.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestration.contracts.erasure import ERASURES
from orchestration.contracts.json_schema import LANDED_STREAMS
from orchestration.lib.build_window import stale_days
from orchestration.lib.catalog import Catalog, datasets
from orchestration.lib.erasure.apply import load_erasures, person_names
from orchestration.lib.erasure.compact import write_warehouse_anew
from orchestration.lib.erasure.events import raw_user_id, scrub_erasure
from orchestration.lib.erasure.known import REPORT, REPORTS, Erasure, received_erasures
from orchestration.lib.erasure.late import UNDER_WAY
from orchestration.lib.erasure.names import SHORTEST, Names
from orchestration.lib.erasure.plan import Plan, open_plans, plan_path
from orchestration.lib.erasure.report import Verification, make_report, write_report
from orchestration.lib.erasure.search import Search
from orchestration.lib.erasure.steps import reached
from orchestration.lib.landing import landed_days, landing_files
from orchestration.lib.ledger import fingerprint
from orchestration.lib.ledger_metadata import ledger_metadata, ledger_versions
from orchestration.lib.privacy.pseudonym_map import forget
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import Store
from orchestration.lib.warehouse import built_versions

Tell = Callable[[str], None]


class ErasureIncomplete(StateError):
    """Something still has what was to be erased; the message says what to do. The plan stays, and a rerun goes on."""


def finish_erasures(settings: Settings, *, tell: Tell) -> list[dict[str, Any]]:
    """Completes every erasure that was applied; returns their reports. Raises ErasureIncomplete."""
    of_id = {one.erasure_id: one for one in received_erasures(settings)}
    plans = [plan for plan in open_plans(settings) if plan.is_applied]
    unfinished = [plan for plan in plans if not _is_reported(settings, plan)]
    if unfinished:
        _refuse_stale(settings)
        for name in datasets(settings):
            Catalog(settings, name).note_successors()
        _remove_leftovers(settings, unfinished)
        for plan in unfinished:
            reached("leftovers removed", plan.erasure_id, tell)
        write_warehouse_anew(settings, tell=tell)
        for plan in unfinished:
            reached("warehouse written anew", plan.erasure_id, tell)
    reports = [_report(settings, of_id[plan.erasure_id], plan, tell=tell) for plan in unfinished]
    for plan in plans:
        scrub_erasure(settings, of_id[plan.erasure_id])
        load_erasures(settings, tell=tell)
        reached("erasure scrubbed", plan.erasure_id, tell)
        plan_path(settings, plan.erasure_id).unlink()
        reached("plan removed", plan.erasure_id, tell)
    return reports


def _is_reported(settings: Settings, plan: Plan) -> bool:
    return (settings.data_dir / REPORTS / plan.erasure_id / REPORT).exists()


def _refuse_stale(settings: Settings) -> None:
    """The warehouse has to be built from the ledger as it is now, or it still has what the ledger had."""
    built = built_versions(settings)
    stale = [day for day in stale_days(ledger=ledger_versions(settings), built=built) if day in built]
    if stale:
        raise ErasureIncomplete(
            f"{len(stale)} days of the warehouse, from {stale[0]} on, are built from a ledger that has changed since; "
            "they are built with `attribution erase --resume`"
        )


def _remove_leftovers(settings: Settings, plans: Sequence[Plan]) -> None:
    """What killed runs left on their way, and the fingerprints of versions that are gone."""
    scratch = settings.data_dir / ".scratch"
    for path in scratch.iterdir() if scratch.exists() else []:
        if path.is_file():
            path.unlink(missing_ok=True)
        elif path.name == "duckdb":
            for spilled in path.iterdir():
                spilled.unlink(missing_ok=True)
    shutil.rmtree(Path(settings.datasets_url) / ".staging", ignore_errors=True)
    for dataset, versions in ((d, v) for plan in plans for d, v in plan.versions.items()):
        for version in versions:
            for path in (settings.data_dir / ".fingerprints" / dataset).glob(f"{version}-*"):
                shutil.rmtree(path, ignore_errors=True)


def _report(settings: Settings, erasure: Erasure, plan: Plan, *, tell: Tell) -> dict[str, Any]:
    user_id = raw_user_id(settings, erasure)
    verification = _verify(settings, erasure, plan, person_names(settings, user_id, plan))
    if verification.found_in:
        raise ErasureIncomplete(
            f"erasure {erasure.erasure_id}: an id still stands in {', '.join(verification.found_in[:10])}"
            f"{' and others' if len(verification.found_in) > 10 else ''}; run `attribution erase --resume`, and what "
            "is none of the platform's files remove yourself"
        )
    reached("verified", erasure.erasure_id, tell)
    if settings.pseudonym_map and not plan.kept:
        forget(settings.pseudonym_map, user_id)
    report = make_report(settings, erasure, plan, verification)
    write_report(settings, report)
    reached("reported", erasure.erasure_id, tell)
    return report


def _verify(settings: Settings, erasure: Erasure, plan: Plan, names: Names) -> Verification:
    """Searches every file of the data folder, and of the places beside it that the settings name."""
    left_out = _left_out(settings, erasure)
    if plan.kept:
        left_out["the person's own id"] = "lines from after the erasure have it"
    elif not {*names.ids} - _event_ids(plan):
        left_out["the person's own id"] = f"of fewer than {SHORTEST} characters, it would be found in any text"
    # What had none of these names when the plan was made, and has not changed since, is not read a second time.
    search = Search(settings, names, plan.searched if plan.searched_for == names.digest else None)
    roots = {settings.data_dir, settings.warehouse.parent, Path(settings.ledger_url), Path(settings.datasets_url)}
    landing = Store(settings.landing_url)
    if landing.is_local:
        roots.add(Path(landing.root))
    else:
        left_out["landing"] = "in a store that is not searched; its files were rewritten"
    found = set()
    for root in sorted(roots):
        for path in sorted(root.rglob("*")):
            is_searched = path.is_file() and not path.is_symlink() and not _is_left_out(settings, path, left_out)
            if is_searched and search.is_in(path):
                found.add(_shown(settings, path))
    return Verification(len(names.ids), search.files, search.bytes, sorted(found), left_out)


def _event_ids(plan: Plan) -> set[str]:
    return {*plan.request_ids, *plan.feedback_ids, *plan.session_ids}


def _left_out(settings: Settings, erasure: Erasure) -> dict[str, str]:
    """What is not searched, and why."""
    landing = Store(settings.landing_url)
    told = {
        UNDER_WAY: "the plans of erasures, which go when they are complete",
        f"landing/{ERASURES.name}": "what asks for erasures; this one's line is scrubbed next",
    }
    for stream in LANDED_STREAMS:
        loaded = ledger_metadata(settings, stream, "landing_files")
        for day in landed_days(landing, stream.name):
            files = landing_files(landing, stream.name, day)
            if stream is not ERASURES and files and loaded.get(day) != fingerprint(files):
                told[f"landing/{stream.name}/dt={day}"] = "not loaded yet; their lines are erased when they are"
    return told


def _is_left_out(settings: Settings, path: Path, left_out: dict[str, str]) -> bool:
    shown = _shown(settings, path)
    return any(shown == one or shown.startswith(f"{one}/") for one in left_out)


def _shown(settings: Settings, path: Path) -> str:
    """A path as the report tells it: below the data folder, or by the place's name."""
    places = {
        "landing": Path(Store(settings.landing_url).root),
        "ledger": Path(settings.ledger_url),
        "datasets": Path(settings.datasets_url),
    }
    for name, root in places.items():
        if path.is_relative_to(root):
            return f"{name}/{path.relative_to(root).as_posix()}"
    return path.relative_to(settings.data_dir).as_posix() if path.is_relative_to(settings.data_dir) else path.name
