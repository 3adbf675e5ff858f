"""Erasures as landing files: landed by the command line, read for the raw id, scrubbed when they are complete."""

import json
import uuid
from datetime import UTC, date, datetime

from orchestration.contracts.erasure import ERASURES
from orchestration.lib.erasure.known import Erasure
from orchestration.lib.erasure.landed import Changes, rewrite
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.subjects import is_subject
from orchestration.lib.landing import LandingFile, LineReader, landing_files
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import Store


def land_erasure(settings: Settings, user_id: str, *, reason: str | None, received_date: date) -> str:
    """Lands one erasure; returns its path in the landing place."""
    now = datetime.now(UTC)
    event = {"user_id": user_id, "timestamp": now.isoformat(), **({"reason": reason} if reason else {})}
    path = f"{ERASURES.name}/dt={received_date}/erasure-{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.jsonl"
    scratch = settings.data_dir / ".scratch" / f"{uuid.uuid4().hex}.jsonl"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_text(json.dumps(event, ensure_ascii=False) + "\n", encoding="utf-8")
    Store(settings.landing_url).put(scratch, path)
    return path


def raw_user_id(settings: Settings, erasure: Erasure) -> str:
    """Whom an erasure that is not complete is about. Raises StateError where its landing file is gone."""
    text = _line(settings, erasure)
    user_id = json.loads(text)["user_id"] if text else None
    if not user_id or is_subject(user_id):
        raise StateError(
            f"erasure {erasure.erasure_id} can not be done: {erasure.source_file} line {erasure.source_line} does not "
            "name the person any more; land the erasure again"
        )
    return str(user_id)


def _line(settings: Settings, erasure: Erasure) -> bytes | None:
    files = [f for f in _files(settings, erasure) if f.source_file == erasure.source_file]
    reader = LineReader(Store(settings.landing_url), files, max_line_bytes=settings.max_line_bytes)
    for chunk in reader.chunks():
        for number, text in zip(chunk["source_line"].to_pylist(), chunk["bytes"].to_pylist(), strict=True):
            if number == erasure.source_line:
                return bytes(text)
    return None


def _files(settings: Settings, erasure: Erasure) -> list[LandingFile]:
    return landing_files(Store(settings.landing_url), ERASURES.name, erasure.received_date)


def scrub_erasure(settings: Settings, erasure: Erasure) -> None:
    """Leaves the subject in the landing file, in place of the person."""
    text = _line(settings, erasure)
    if text and not is_subject(user_id := str(json.loads(text)["user_id"])):
        event = {**json.loads(text), "user_id": erasure.subject}
        if "reason" in event:
            event["reason"] = erasure.reason
        changes: Changes = {erasure.source_line: json.dumps(event, ensure_ascii=False).encode()}
        rewrite(settings, erasure.source_file, changes, Names((user_id,)))
