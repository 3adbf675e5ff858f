"""The console script `attribution`: arguments in, exit codes out. What it does is in `lib/`."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from orchestration.lib import partitions
from orchestration.lib.settings import REPOSITORY, Settings, SettingsError

EXIT_OK = 0
EXIT_STOPPED = 1
EXIT_BAD_ARGUMENTS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit codes: 0 all landed, 1 a gate or a step stopped it, 2 bad arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
        if given.command == "run":
            return _run(parser, settings, given)
        if given.command == "status":
            return _status(settings, given)
        if given.command == "ui":
            return _ui(settings, given)
        return _datasets(settings)
    except SettingsError as error:
        print(f"attribution: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENTS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="attribution", description="Links every piece of feedback to the exact inference that it is about."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="materialize every asset for a range of received dates")
    run.add_argument("--from", dest="first", type=_day, required=True, metavar="D1", help="first day, YYYY-MM-DD")
    run.add_argument("--to", dest="last", type=_day, required=True, metavar="D2", help="last day, included")
    status = commands.add_parser("status", help="print the whole history of one event as JSON")
    which = status.add_mutually_exclusive_group(required=True)
    which.add_argument("--feedback", metavar="ID", help="a feedback_id, given or derived")
    which.add_argument("--request", metavar="ID", help="a request_id")
    commands.add_parser("datasets", help="list the datasets and their versions, with counts")
    ui = commands.add_parser("ui", help="start the Dagster UI and daemon on the same data")
    ui.add_argument("--port", default="3000", help="port on 127.0.0.1 (default 3000)")
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write YYYY-MM-DD") from None


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


def _status(settings: Settings, given: argparse.Namespace) -> int:
    from orchestration.lib.history import feedback_history, request_history
    from orchestration.lib.warehouse import WarehouseUnreadable

    try:
        history = (
            feedback_history(settings, given.feedback) if given.feedback else request_history(settings, given.request)
        )
    except WarehouseUnreadable as error:
        print(f"attribution status: {error}", file=sys.stderr)
        return EXIT_STOPPED
    if history is None:
        wanted = f"feedback_id {given.feedback!r}" if given.feedback else f"request_id {given.request!r}"
        print(f"attribution status: no line received with {wanted}", file=sys.stderr)
        return EXIT_STOPPED
    print(json.dumps(history, indent=2, ensure_ascii=False, default=str))
    return EXIT_OK


def _datasets(settings: Settings) -> int:
    from orchestration.lib.summary import datasets_table

    print(datasets_table(settings))
    return EXIT_OK


def _ui(settings: Settings, given: argparse.Namespace) -> int:
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
