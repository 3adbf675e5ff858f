"""Taking a person out of landing files, ledger and dataset versions: the first half of an erasure.

The warehouse and the datasets follow by the ordinary builds, and `finish.py` is the second half. Whoever calls holds
the warehouse's lock.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from pathlib import Path

from orchestration.contracts.erasure import ERASURES
from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.erasure import landed, ledgered
from orchestration.lib.erasure.events import raw_user_id
from orchestration.lib.erasure.find import find_lines
from orchestration.lib.erasure.known import Erasure, is_complete, received_erasures
from orchestration.lib.erasure.late import keep_late, noted_late
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.plan import ERASE, Line, Plan, read_plan, write_plan
from orchestration.lib.erasure.search import Search
from orchestration.lib.erasure.steps import reached
from orchestration.lib.erasure.tombstones import tombstone
from orchestration.lib.erasure.withdrawal import REASON, versions_that_hold, withdraw
from orchestration.lib.follow.locks import let_go
from orchestration.lib.landing import landed_days, landing_files
from orchestration.lib.ledger import check_keys, fingerprint, load_partition
from orchestration.lib.ledger_metadata import ledger_metadata
from orchestration.lib.ledger_parts import full_paths
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.retention.findings import forget_findings
from orchestration.lib.retention.policy import load_policy
from orchestration.lib.retention.text_store import forget_inputs
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import Store

Tell = Callable[[str], None]


def erasures_to_load(settings: Settings) -> dict[date, str]:
    """The days of landed erasures that the ledger does not have as they are, each with what has landed."""
    landing = Store(settings.landing_url)
    loaded = ledger_metadata(settings, ERASURES, "landing_files")
    landed = {day: landing_files(landing, ERASURES.name, day) for day in landed_days(landing, ERASURES.name)}
    return {day: fingerprint(files) for day, files in landed.items() if files and loaded.get(day) != fingerprint(files)}


def load_erasures(settings: Settings, *, tell: Tell) -> None:
    check_keys(settings, ERASURES)
    for day in erasures_to_load(settings):
        load_partition(settings, ERASURES, day, tell=tell, is_locked=True)


def apply_erasures(settings: Settings, *, tell: Tell) -> list[str]:
    """Applies every erasure that is not complete, and late lines of complete ones; returns the erasures' ids."""
    load_erasures(settings, tell=tell)
    for path, (stream, day, lines) in noted_late(settings).items():
        of_file: dict[str, dict[int, bytes | None]] = {}
        for one in lines:
            of_file.setdefault(one.source_file, {})[one.source_line] = tombstone(one.erasure_id)
        _rewrite(settings, {(stream, day): of_file}, Names(()), tell=tell)
        path.unlink()
        tell(f"{len(lines):,} {stream} lines of {day} are of people who were erased before: they are tombstones now")
    pending = [one for one in received_erasures(settings) if not is_complete(settings, one)]
    held = load_policy(settings.retention).hold.users
    applied = []
    for erasure in pending:
        try:
            user_id = raw_user_id(settings, erasure)
        except StateError as error:
            # It stays `not begun` for all to see; the days that others wait for are built.
            tell(str(error))
            continue
        if user_id in held:
            tell(f"erasure {erasure.erasure_id} waits: its person is under legal hold ({settings.retention.name})")
            continue
        _apply(settings, erasure, user_id, tell=tell)
        applied.append(erasure.erasure_id)
    return applied


def person_names(settings: Settings, user_id: str, plan: Plan) -> Names:
    """Every id of the person that no file may have any more. Who came back after the erasure keeps their own."""
    own = [] if plan.kept else person_ids(settings, user_id)
    return Names.of([*own, *plan.request_ids, *plan.feedback_ids, *plan.session_ids])


def person_ids(settings: Settings, user_id: str) -> list[str]:
    """The raw id, and what stood for it in the ledger since there were keys."""
    keys = Pseudonyms.of(settings).keys
    chains = [Pseudonyms(keys[:n]) for n in range(len(keys), 0, -1)]
    stored = [make(user_id) for chain in chains for make in (chain.stored, chain.stored_number)]
    return list(dict.fromkeys([*stored, user_id]))


def _apply(settings: Settings, erasure: Erasure, user_id: str, *, tell: Tell) -> None:
    before = read_plan(settings, erasure.erasure_id)
    plan, search = _find(settings, erasure, user_id)
    if before:
        plan = before.with_more(plan)
    if plan.is_applied:
        return
    names = person_names(settings, user_id, plan)
    if names.digest != search.names.digest:
        search = Search(settings, names)
    held = versions_that_hold(settings, plan, None if plan.kept else person_ids(settings, user_id)[0], search)
    plan.searched, plan.searched_for = search.clean, names.digest
    plan.versions = {
        name: sorted({*plan.versions.get(name, []), *held.get(name, [])}) for name in sorted({*plan.versions, *held})
    }
    write_plan(settings, plan)
    reached("planned", erasure.erasure_id, tell)
    let_go(settings)  # who follows builds it anew when the plan is gone
    withdraw(settings, plan.versions, {"reason": REASON, "erasure_id": erasure.erasure_id})
    reached("withdrawn", erasure.erasure_id, tell)
    _take_out(settings, plan, names, tell=tell)
    plan.is_applied = True
    write_plan(settings, plan)
    reached("applied", erasure.erasure_id, tell)


def _find(settings: Settings, erasure: Erasure, user_id: str) -> tuple[Plan, Search]:
    """The person's lines, and other people's that name them; and what was searched for the latter."""
    plan = find_lines(
        settings, erasure.erasure_id, str(erasure.received_date), person_ids(settings, user_id), erasure.until
    )
    names = person_names(settings, user_id, plan)
    search = Search(settings, names)
    landing, ledger = Store(settings.landing_url), Store(settings.ledger_url)
    erased = {(line.source_file, line.source_line) for line in plan.lines}
    for stream in STREAMS:
        for day, files in landed.loaded_files(settings, stream).items():
            named: Iterable[Line]
            # A file is looked through as a whole first, and only the lines of one that names them are looked at.
            if files is None:
                may_name = [p for p in full_paths(ledger, stream.name, [day]) if search.is_in(Path(p))]
                named = ledgered.lines_that_name(settings, stream, day, may_name, names)
            else:
                read = [f for f in files if not landing.is_local or search.is_in(Path(landing.full(f.stored.path)))]
                named = landed.lines_that_name(settings, stream.name, day, read, names)
            plan.lines += [line for line in named if (line.source_file, line.source_line) not in erased]
    return plan, search


def _take_out(settings: Settings, plan: Plan, names: Names, *, tell: Tell) -> None:
    changes: dict[tuple[str, date], dict[str, dict[int, bytes | None]]] = {}
    erased = tombstone(plan.erasure_id)
    for line in plan.lines:
        of_day = changes.setdefault((line.stream, date.fromisoformat(line.day)), {})
        of_day.setdefault(line.source_file, {})[line.source_line] = erased if line.what == ERASE else None
    _rewrite(settings, changes, names, tell=tell, plan=plan)
    lines = [(one.stream, one.day, one.source_file, one.source_line) for one in plan.lines if one.what == ERASE]
    forget_findings(settings, names, [*plan.feedback_ids, *plan.request_ids], lines)
    forget_inputs(settings, names)


def _rewrite(
    settings: Settings,
    changes: Mapping[tuple[str, date], Mapping[str, landed.Changes]],
    names: Names,
    *,
    tell: Tell,
    plan: Plan | None = None,
) -> None:
    """Rewrites the landing files, and then loads their days again, or rewrites the ledger where files are gone."""
    for name in sorted({name for name, _ in changes}):
        check_keys(settings, _stream(name))
    rewritten = {
        (name, day): all([landed.rewrite(settings, file, lines, names) for file, lines in sorted(files.items())])
        for (name, day), files in sorted(changes.items())
    }
    if plan:
        reached("landing rewritten", plan.erasure_id, tell)
    for (name, day), has_landing in rewritten.items():
        stream = _stream(name)
        if has_landing and _is_whole(settings, stream, day):
            note = partial(keep_late, settings, stream, day)
            load_partition(settings, stream, day, tell=tell, is_locked=True, keep_late=note, again=True)
        elif plan:
            ledgered.rewrite(settings, stream, day, plan.of(stream.name, day), names, plan.erasure_id)
    if plan:
        reached("ledger rewritten", plan.erasure_id, tell)


def _is_whole(settings: Settings, stream: Stream, day: date) -> bool:
    """Whether every landing file that the ledger has lines of is there: a load would lose the lines of others."""
    told = ledger_metadata(settings, stream, "landing_files").get(day, "[]")
    here = {f.name for f in landing_files(Store(settings.landing_url), stream.name, day)}
    return landed.names_in(told) <= here


def _stream(name: str) -> Stream:
    return next(stream for stream in STREAMS if stream.name == name)
