"""The console script `attribution`: arguments in, exit codes out. What it does is in `lib/`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path

from orchestration.contracts.json_schema import STREAMS
from orchestration.contracts.reasons import DEAD_LETTER_REASONS
from orchestration.lib import partitions
from orchestration.lib.settings import REPOSITORY, Settings, SettingsError, StateError

STREAM_NAMES = [stream.name for stream in STREAMS]

EXIT_OK = 0
EXIT_STOPPED = 1
EXIT_BAD_ARGUMENTS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit codes: 0 all landed, 1 a gate or a step stopped it, 2 bad arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        return int(given.do(parser, Settings.from_env(), given))
    except SettingsError as error:
        print(f"attribution: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENTS
    except StateError as error:
        print(f"attribution {given.command}: {error}", file=sys.stderr)
        return EXIT_STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="attribution", description="Links every piece of feedback to the exact inference that it is about."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="materialize every asset for a range of received dates")
    _add_range(run, required=True)
    run.set_defaults(do=_run)

    load = commands.add_parser("load", help="load hours into the ledger while their day goes on (hourly partitions)")
    load.add_argument("--from", dest="first", type=_hour, required=True, metavar="H1", help="first hour, UTC")
    load.add_argument("--to", dest="last", type=_hour, required=True, metavar="H2", help="last one, included")
    load.set_defaults(do=_load)

    follow = commands.add_parser("follow", help="show new feedback attributed within seconds, as files land")
    follow.add_argument("--once", action="store_true", help="take in what has landed, and end")
    follow.add_argument(
        "--interval",
        type=_between(0.05, 3600, "number of seconds"),
        default=1.0,
        metavar="SECONDS",
        help="between two looks (default 1)",
    )
    follow.set_defaults(do=_follow)

    live = commands.add_parser("live", help="read the live view that `attribution follow` keeps")
    asked = live.add_mutually_exclusive_group()
    asked.add_argument("--feedback", metavar="ID", help="the row of one feedback_id, with its inference, as JSON")
    asked.add_argument("--request", metavar="ID", help="the rows on one request_id, with the inference, as JSON")
    asked.add_argument("--query", metavar="SQL", help="ask attributed_feedback anything; rows as JSON, a line each")
    asked.add_argument("--compare", type=_day, metavar="DAY", help="tell where live and batch differ; exit 1 if so")
    live.add_argument("--limit", type=_count, default=5, metavar="N", help="newest rows to show (default 5)")
    live.set_defaults(do=_live)

    status = commands.add_parser("status", help="print the whole history of one event, or of a user, as JSON")
    which = status.add_mutually_exclusive_group(required=True)
    which.add_argument("--feedback", metavar="ID", help="a feedback_id, given or derived")
    which.add_argument("--request", metavar="ID", help="a request_id")
    which.add_argument("--user", metavar="ID", help="a user_id: who asked, or who gave feedback")
    status.set_defaults(do=_status)

    datasets = commands.add_parser("datasets", help="list the datasets and their versions, with counts")
    datasets.set_defaults(do=_datasets)
    actions = datasets.add_subparsers(dest="action", metavar="{diff,trace,rebuild,decrypt,contamination}")
    diff = actions.add_parser("diff", help="tell why two versions of a dataset differ")
    diff.add_argument("name", help="the dataset")
    diff.add_argument("before", metavar="VERSION")
    diff.add_argument("after", metavar="VERSION")
    diff.add_argument("--rows", type=_count, default=0, metavar="N", help="rows shown beside the counts (default 0)")
    diff.set_defaults(do=_diff)
    trace = actions.add_parser("trace", help="print the lines that a row of a version rests on, as JSON")
    trace.add_argument("name", help="the dataset")
    trace.add_argument("version", metavar="VERSION")
    whose = trace.add_mutually_exclusive_group(required=True)
    whose.add_argument("--feedback", metavar="ID", help="rows that rest on this feedback_id")
    whose.add_argument("--request", metavar="ID", help="rows that rest on this request_id, those of silence included")
    trace.set_defaults(do=_trace)
    rebuild = actions.add_parser("rebuild", help="make a version again from the ledger, and compare it to the byte")
    rebuild.add_argument("name", help="the dataset")
    rebuild.add_argument("version", metavar="VERSION")
    rebuild.add_argument("--into", type=Path, metavar="FOLDER", help="keep what is made here (default: thrown away)")
    rebuild.set_defaults(do=_rebuild)

    decrypt = actions.add_parser("decrypt", help="write an encrypted version in clear, as trainers load it")
    decrypt.add_argument("name", help="the dataset")
    decrypt.add_argument("version", metavar="VERSION")
    decrypt.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="an empty folder, or a new one")
    decrypt.set_defaults(do=_decrypt)

    check = actions.add_parser("contamination", help="tell which rows of a version are near the texts of a file")
    check.add_argument("name", help="the dataset")
    check.add_argument("version", metavar="VERSION")
    check.add_argument("--against", type=Path, required=True, metavar="FILE", help=".parquet, .jsonl or .jsonl.gz")
    check.add_argument("--of", metavar="COLUMN", help="the file's column that has the texts (default: its only one)")
    check.add_argument("--column", action="append", default=[], help="compare this of the dataset; may be repeated")
    check.add_argument("--similarity", type=_between(0.3, 1, "share"), help="share of shingles in both (default 0.8)")
    check.add_argument("--shingle", type=_words, metavar="N", help="words that make a shingle (default 3)")
    check.add_argument("--rows", type=_count, default=20, metavar="N", help="rows shown by their keys (default 20)")
    check.set_defaults(do=_contamination)

    replay = commands.add_parser("replay", help="build what was known at the end of a day, in a fresh folder")
    replay.add_argument("--as-of", dest="as_of", type=_day, required=True, metavar="DAY", help="received date (UTC)")
    replay.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="an empty folder, or a new one")
    replay.set_defaults(do=_replay)

    letters = commands.add_parser("dead-letters", help="list the lines that are no event, by reason, with examples")
    letters.add_argument("--stream", choices=STREAM_NAMES, help="only of this stream")
    letters.add_argument("--reason", choices=sorted(DEAD_LETTER_REASONS), metavar="REASON", help="only of this reason")
    _add_range(letters)
    letters.add_argument("--examples", type=_count, default=3, metavar="N", help="lines shown a reason (default 3)")
    letters.set_defaults(do=_dead_letters)

    _add_review(commands.add_parser("review", help="see what waits for a reviewer, and decide"))

    encrypt = commands.add_parser("encrypt", help="encrypt what was written before there was a key")
    encrypt.set_defaults(do=_encrypt)
    key = commands.add_parser("analytics-key", help="print the key that opens the encrypted published/analytics.duckdb")
    key.set_defaults(do=_analytics_key)
    erase = commands.add_parser("erase", help="forget a person: in every file, table and dataset, with a report")
    whom = erase.add_mutually_exclusive_group(required=True)
    whom.add_argument("--user", metavar="ID", help="the person's user_id, as producers send it")
    whom.add_argument("--resume", action="store_true", help="land nothing: complete the erasures that are not")
    erase.add_argument("--reason", metavar="TEXT", help="why, for the report; no place for personal data")
    erase.add_argument("--dt", type=_day, metavar="DAY", help="received date to land it under (default: today, UTC)")
    erase.set_defaults(do=_erase)

    erasures = commands.add_parser("erasures", help="list the erasures and their state")
    erasures.set_defaults(do=_erasures)
    of_erasures = erasures.add_subparsers(dest="action", metavar="{verify}")
    verify = of_erasures.add_parser("verify", help="tell whether a report is as it was signed")
    verify.add_argument("erasure_id", metavar="ID")
    verify.set_defaults(do=_verify)

    retain = commands.add_parser("retain", help="let go what is over its time by the retention policy, now")
    retain.set_defaults(do=_retain)

    register = commands.add_parser("register-model", help="tell on which dataset versions a model was trained")
    register.add_argument("--model", required=True, metavar="NAME", help="the model, with its version")
    register.add_argument(
        "--dataset",
        required=True,
        action="append",
        type=_dataset_version,
        metavar="NAME@VERSION",
        help="may be repeated",
    )
    register.set_defaults(do=_register_model)

    ui = commands.add_parser("ui", help="start the Dagster UI and daemon on the same data")
    ui.add_argument("--port", default="3000", help="port on 127.0.0.1 (default 3000)")
    ui.set_defaults(do=_ui)
    return parser


def _add_range(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument("--from", dest="first", type=_day, required=required, metavar="D1", help="first received date")
    parser.add_argument("--to", dest="last", type=_day, required=required, metavar="D2", help="last one, included")


def _add_review(review: argparse.ArgumentParser) -> None:
    actions = review.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="list the feedback that waits for a reviewer")
    listing.add_argument("--reason", help="only of this reason, e.g. burst")
    _add_range(listing)
    listing.add_argument("--limit", type=_count, default=20, metavar="N", help="most lines to show (default 20)")
    listing.set_defaults(do=_review_list)

    show = actions.add_parser("show", help="print one piece of feedback with the answer that it is about, as JSON")
    show.add_argument("feedback_id")
    show.set_defaults(do=_review_show)

    for decision, does in (("accept", "let feedback in"), ("reject", "keep feedback out")):
        decide = actions.add_parser(decision, help=f"{does}, from the day on which the review is received")
        decide.add_argument("feedback_id", nargs="+")
        decide.add_argument("--reviewer", default=os.environ.get("USER"), help="who decides (default: $USER)")
        decide.add_argument("--note", help="why")
        decide.add_argument(
            "--dt", type=_day, metavar="DAY", help="received date to land it under (default: today, UTC)"
        )
        decide.set_defaults(do=_review_decide)


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _words(text: str) -> int:
    if _count(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of words; write 1 or more")
    return int(text)


def _between(least: float, most: float, what: str) -> Callable[[str], float]:
    """What reads an argument that is a number within bounds."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no {what} from {least} to {most}")
        return value

    return read


def _dataset_version(text: str) -> tuple[str, str]:
    name, _, version = text.partition("@")
    if not name or not version:
        raise argparse.ArgumentTypeError(f"{text!r} is no dataset's version; write NAME@VERSION")
    return name, version


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write YYYY-MM-DD") from None


def _hour(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no hour; write YYYY-MM-DDTHH") from None


def _run(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    if given.first > given.last:
        parser.error(f"--from {given.first} is after --to {given.last}")
    if given.first < settings.first_day:
        parser.error(f"--from {given.first} is before the first partition {settings.first_day} (FEEDBACK_FIRST_DAY)")
    if given.last > partitions.today():
        parser.error(f"--to {given.last} is in the future; the newest partition is {partitions.today()} (UTC)")
    from orchestration.lib.runs import run_range  # Dagster and dbt take seconds to import; --help needs neither

    outcome = run_range(settings, given.first, given.last, tell=_tell)
    from orchestration.lib.summary import summary

    print(summary(settings, outcome.first, outcome.last))
    if outcome.failure:
        print(f"\nattribution run: {outcome.failure}", file=sys.stderr)
        return EXIT_STOPPED
    return EXIT_OK


def _load(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    if not settings.loads_by_hour:
        parser.error("hours are loaded where FEEDBACK_LOADING_PARTITIONS is hourly; `attribution run` loads days")
    if given.first > given.last:
        parser.error(f"--from {given.first:%Y-%m-%dT%H} is after --to {given.last:%Y-%m-%dT%H}")
    if given.first.date() < settings.first_day:
        parser.error(f"--from {given.first:%Y-%m-%dT%H} is before the first partition {settings.first_day}")
    if given.last > partitions.this_hour():
        parser.error(
            f"--to {given.last:%Y-%m-%dT%H} is in the future; now is {partitions.this_hour():%Y-%m-%dT%H} (UTC)"
        )
    from orchestration.lib.runs import run_hours

    if failure := run_hours(settings, given.first, given.last, tell=_tell):
        print(f"\nattribution load: {failure}", file=sys.stderr)
        return EXIT_STOPPED
    return EXIT_OK


def _follow(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.follow.run import follow

    follow(settings, once=given.once, interval=given.interval, tell=_tell)
    return EXIT_OK


def _live(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.follow import view

    if given.compare:
        differing = view.compared(settings, given.compare)
        print("\n".join(differing) or f"{given.compare}: live and batch have the same pairs")
        return EXIT_STOPPED if differing else EXIT_OK
    if given.feedback or given.request:
        by = ("feedback_id", given.feedback) if given.feedback else ("request_id", given.request)
        found = view.one(settings, *by)
        print(json.dumps(found, indent=2, ensure_ascii=False, default=str))
    elif given.query:
        print(view.json_lines(view.rows(settings, given.query)))
    else:
        print(view.live_text(settings, limit=given.limit))
    return EXIT_OK


def _status(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.history import feedback_history, request_history, user_history

    told = {"feedback": feedback_history, "request": request_history, "user": user_history}
    (kind, wanted), *_ = [(kind, value) for kind in told if (value := getattr(given, kind)) is not None]
    history = told[kind](settings, wanted)
    if history is None:
        raise StateError(f"no line received with {kind}_id {wanted!r}")
    print(json.dumps(history, indent=2, ensure_ascii=False, default=str))
    return EXIT_OK


def _datasets(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.summary import datasets_table

    print(datasets_table(settings))
    return EXIT_OK


def _diff(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.erasure.withdrawal import withdrawn_difference
    from orchestration.lib.version_diff import differences, differences_text

    if told := withdrawn_difference(settings, given.name, given.before, given.after):
        print(told)
        return EXIT_OK
    print(differences_text(differences(settings, given.name, given.before, given.after), rows=given.rows))
    return EXIT_OK


def _trace(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.origin import trace

    found = trace(settings, given.name, given.version, feedback_id=given.feedback, request_id=given.request)
    print(json.dumps(found, indent=2, ensure_ascii=False, default=str))
    return EXIT_OK


def _rebuild(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.replay import rebuild

    into = given.into.absolute() if given.into else None
    rebuilt = rebuild(settings, given.name, given.version, into=into, tell=_tell)
    for problem in rebuilt.problems:
        print(f"can not be rebuilt: {problem}")
    for note in rebuilt.notes:
        print(f"another than then: {note}")
    for path, is_same in rebuilt.same.items():
        print(f"{path}: {'the same bytes' if is_same else 'other bytes'}")
    return EXIT_OK if rebuilt.is_same else EXIT_STOPPED


def _decrypt(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.encrypted_versions import decrypt

    decrypt(settings, given.name, given.version, given.into.absolute())
    print(f"{given.into} holds {given.name} {given.version} in clear; its files are those that its manifest lists")
    return EXIT_OK


def _encrypt(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.encrypt_stored import encrypt_stored

    print(encrypt_stored(settings, tell=_tell))
    return EXIT_OK


def _analytics_key(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.encryption import ANALYTICS, derived, needed_key

    print(derived(needed_key(settings), ANALYTICS).reveal())
    return EXIT_OK


def _contamination(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.contamination import contamination, contamination_text
    from orchestration.lib.recipe.near_duplicates import DEFAULT_SHINGLE, DEFAULT_SIMILARITY

    found = contamination(
        settings,
        given.name,
        given.version,
        given.against,
        of=given.of,
        columns=given.column,
        similarity=given.similarity or DEFAULT_SIMILARITY,
        shingle=given.shingle or DEFAULT_SHINGLE,
    )
    print(contamination_text(given.name, given.version, given.against, found, rows=given.rows))
    return EXIT_STOPPED if found.found else EXIT_OK


def _replay(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.replay import replay

    return EXIT_OK if replay(settings, given.as_of, given.into.absolute(), tell=_tell) == EXIT_OK else EXIT_STOPPED


def _dead_letters(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.dead_letters import dead_letters, dead_letters_text

    found = dead_letters(
        settings,
        stream=given.stream,
        reason=given.reason,
        first=given.first,
        last=given.last,
        examples=given.examples,
    )
    print(dead_letters_text(found))
    return EXIT_OK


def _review_list(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.reviews import waiting, waiting_text

    found = waiting(settings, reason=given.reason, first=given.first, last=given.last, limit=given.limit)
    print(waiting_text(found))
    return EXIT_OK


def _review_show(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.reviews import case

    print(json.dumps(case(settings, given.feedback_id), indent=2, ensure_ascii=False, default=str))
    return EXIT_OK


def _review_decide(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    day = given.dt or partitions.today()
    if not given.reviewer:
        parser.error("--reviewer is needed: who decides is part of the audit trail")
    if not settings.first_day <= day <= partitions.today():
        parser.error(f"--dt {day} must be a day from {settings.first_day} to {partitions.today()} (UTC)")
    from orchestration.lib.reviews import decide

    path = decide(
        settings, given.feedback_id, given.action, reviewer=given.reviewer, note=given.note, received_date=day
    )
    print(f"landed {path}; it takes effect with: attribution run --from {day} --to {day}")
    return EXIT_OK


def _erase(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    day = given.dt or partitions.today()
    if not settings.first_day <= day <= partitions.today():
        parser.error(f"--dt {day} must be a day from {settings.first_day} to {partitions.today()} (UTC)")
    if given.user is not None and not given.user.strip():
        parser.error("--user must not be empty")
    from orchestration.lib.erasure.run import erase

    failure = erase(settings, given.user, reason=given.reason, received_date=day, tell=_tell)
    from orchestration.lib.erasure.report import erasures_table

    print(erasures_table(settings))
    if failure:
        print(f"\nattribution erase: {failure}", file=sys.stderr)
        return EXIT_STOPPED
    return EXIT_OK


def _erasures(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.erasure.report import erasures_table

    print(erasures_table(settings))
    return EXIT_OK


def _verify(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.erasure.report import verify_report

    print(verify_report(settings, given.erasure_id))
    return EXIT_OK


def _retain(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.names import RETENTION_JOB
    from orchestration.lib.runs import run_once

    if failure := run_once(settings, RETENTION_JOB, tell=_tell):
        print(f"\nattribution retain: {failure}", file=sys.stderr)
        return EXIT_STOPPED
    if not settings.retention.exists():
        print(f"nothing has a lifetime: there is no {settings.retention} (README, Retention)")
    return EXIT_OK


def _register_model(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.erasure.run import register

    told = register(settings, given.model, given.dataset)
    print(f"{told['model']} rests on " + ", ".join(f"{d['name']}@{d['version']}" for d in told["datasets"]))
    return EXIT_OK


def _ui(parser: argparse.ArgumentParser, settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.instance import ensure_dagster_home

    home = ensure_dagster_home(settings)
    dagster = str(Path(sys.executable).parent / "dagster")
    workspace = str(REPOSITORY / "workspace.yaml")
    os.chdir(home)  # from the repository, Dagster would warn of the dagster.yaml that is shipped there
    os.execv(dagster, [dagster, "dev", "--workspace", workspace, "--host", "127.0.0.1", "--port", given.port])


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
