"""The report of an erasure: what was found where, what went, what rests on it, and how it was checked. No ids in it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestration.lib.catalog import Catalog
from orchestration.lib.erasure.known import REPORT, Erasure, is_complete, received_erasures, report_folder
from orchestration.lib.erasure.models import models_on
from orchestration.lib.erasure.plan import ERASE, SCRUB, Plan, read_plan
from orchestration.lib.erasure.signing import is_signed, public_pem, sign, signing_key
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import fsync, json_text
from orchestration.lib.summary import table

SIGNATURE, PUBLIC_KEY, PAGE = "report.json.sig", "public_key.pem", "report.md"


@dataclass(frozen=True)
class Verification:
    """A search through every file: for how many ids, how much was read, and what of it still has one."""

    ids: int
    files: int
    bytes: int
    found_in: list[str]
    left_out: dict[str, str]


def make_report(settings: Settings, erasure: Erasure, plan: Plan, verification: Verification) -> dict[str, Any]:
    return {
        "erasure_id": erasure.erasure_id,
        "subject": erasure.subject,
        "reason": erasure.reason,
        "received_date": str(erasure.received_date),
        "events_until": erasure.until.isoformat(),
        "completed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "found": {
            "lines_erased": _counts(plan, ERASE),
            "lines_of_others_that_named_them": _counts(plan, SCRUB),
            "requests": len(plan.request_ids),
            "feedback": len(plan.feedback_ids),
            "sessions": len(plan.session_ids),
            "lines_kept_from_after_it": plan.kept,
        },
        "files": _files(plan),
        "datasets": _datasets(settings, plan),
        "models": models_on(settings, plan.versions),
        "verification": {
            "ids_looked_for": verification.ids,
            "files_read": verification.files,
            "bytes_read": verification.bytes,
            "found_in": verification.found_in,
            "left_out": verification.left_out,
        },
    }


def _counts(plan: Plan, what: str) -> dict[str, int]:
    return dict(sorted(Counter(line.stream for line in plan.lines if line.what == what).items()))


def _files(plan: Plan) -> list[dict[str, Any]]:
    counted = Counter((line.stream, line.day, line.source_file, line.what) for line in plan.lines)
    places = sorted({place[:3] for place in counted})
    return [
        {
            "stream": place[0],
            "day": place[1],
            "landing_file": place[2],
            "erased": counted[(*place, ERASE)],
            "names_taken_out": counted[(*place, SCRUB)],
        }
        for place in places
    ]


def _datasets(settings: Settings, plan: Plan) -> list[dict[str, Any]]:
    told = []
    for name, versions in plan.versions.items():
        catalog = Catalog(settings, name)
        withdrawn = catalog.withdrawn()
        for version in versions:
            if version not in withdrawn:
                told.append({"dataset": name, "version": version, "state": "published again without what named them"})
                continue
            successor = withdrawn[version]["successor"]
            why = {} if successor else {"why_no_successor": _why_none(catalog, withdrawn[version]["partitions"][0])}
            told.append({"dataset": name, "version": version, "state": "withdrawn", "successor": successor, **why})
    return told


def _why_none(catalog: Catalog, day: str) -> str:
    record = {str(of): record for of, record in catalog.partitions().items()}.get(day)
    if record is None:
        return "no partition has it any more"
    if record.gate == "passed":
        return "no row is left"
    return f"partition {day} is not published: its gate, or one before it, failed"


def write_report(settings: Settings, report: Mapping[str, Any]) -> Path:
    """Writes the report beside its signature and key; that it is there says that the erasure is complete."""
    folder = report_folder(settings, report["erasure_id"])
    folder.mkdir(parents=True, exist_ok=True)
    content = json_text(report).encode()
    key = signing_key(settings)
    (folder / PUBLIC_KEY).write_bytes(public_pem(key))
    (folder / SIGNATURE).write_bytes(sign(key, content))
    (folder / PAGE).write_text(report_page(report), encoding="utf-8")
    beside = folder / f".{REPORT}"
    beside.write_bytes(content)
    for path in folder.iterdir():
        fsync(path)
    beside.replace(folder / REPORT)
    fsync(folder)
    return folder / REPORT


def report_page(report: Mapping[str, Any]) -> str:
    """The report for people."""
    found, checked = report["found"], report["verification"]
    lines = [
        f"# Erasure {report['erasure_id']}",
        "",
        f"Received {report['received_date']}, completed {report['completed_at']}. "
        f"Reason: {report['reason'] or 'none'}. Events up to {report['events_until']} are erased.",
        "",
        "## Found and erased",
        "",
        "| stream | lines erased | lines of others that named them |",
        "|---|---:|---:|",
    ]
    for stream in sorted({*found["lines_erased"], *found["lines_of_others_that_named_them"]}):
        erased, named = (found[k].get(stream, 0) for k in ("lines_erased", "lines_of_others_that_named_them"))
        lines.append(f"| {stream} | {erased:,} | {named:,} |")
    lines += ["", f"In {len(report['files']):,} landing files, which `report.json` lists.", "", "## Datasets", ""]
    lines += ["| dataset | version | state | successor |", "|---|---|---|---|"]
    for one in report["datasets"]:
        successor = one.get("successor") or one.get("why_no_successor", "")
        lines.append(f"| {one['dataset']} | {one['version']} | {one['state']} | {successor} |")
    lines += ["", "## Models trained on these versions", ""]
    for model in report["models"]:
        versions = ", ".join(f"{d['name']}@{d['version']}" for d in model["datasets"])
        lines.append(f"- {model['model']}: {versions}")
    lines += [] if report["models"] else ["None that was registered."]
    lines += [
        "",
        "## Verification",
        "",
        f"{checked['ids_looked_for']:,} ids were looked for in {checked['files_read']:,} files "
        f"({checked['bytes_read']:,} bytes, decompressed): found in {len(checked['found_in'])}.",
    ]
    lines += [f"- left out: `{path}`: {why}" for path, why in checked["left_out"].items()]
    return "\n".join(lines) + "\n"


def verify_report(settings: Settings, erasure_id: str) -> str:
    """A sentence that the report is as it was signed. Raises StateError where it is not, or not there."""
    folder = report_folder(settings, erasure_id)
    if not (folder / REPORT).exists():
        known = ", ".join(one.erasure_id for one in received_erasures(settings)) or "none"
        raise StateError(f"there is no report of {erasure_id!r}; the erasures are {known}")
    content, signature = (folder / REPORT).read_bytes(), (folder / SIGNATURE).read_bytes()
    pem = (folder / PUBLIC_KEY).read_bytes()
    if not is_signed(content, signature, pem):
        raise StateError(f"the report of {erasure_id} was changed after it was signed, or its signature was")
    whose = "this installation's key" if pem == public_pem(signing_key(settings)) else "another key than this one's"
    report = json.loads(content)
    found = report["verification"]["found_in"]
    return f"the report of {erasure_id} is as it was signed, with {whose}; ids left in {len(found)} files"


def erasures_table(settings: Settings) -> str:
    """What `attribution erasures` prints."""
    rows = []
    for one in received_erasures(settings):
        report = report_folder(settings, one.erasure_id) / REPORT
        told = json.loads(report.read_text(encoding="utf-8")) if is_complete(settings, one) else None
        plan = read_plan(settings, one.erasure_id)
        state = "complete" if told else "under way" if plan else "not begun"
        lines = sum(told["found"]["lines_erased"].values()) if told else len(plan.lines) if plan else 0
        rows.append([one.erasure_id, str(one.received_date), state, lines, len(told["datasets"]) if told else 0])
    if not rows:
        return "nobody has asked to be forgotten"
    return table(["erasure", "received", "state", "lines", "versions"], rows)
