"""The entry: writes the sources and says what it did. How each is made is in its own module."""

import argparse
import os
from datetime import date
from pathlib import Path

from demo.assistant import write_assistant
from demo.files import LandingConflict
from demo.key import key_file
from demo.open_bandit import OpenBanditMissing, write_open_bandit
from demo.refunds import write_refunds
from demo.week import FIRST_DAY, LAST_DAY
from orchestration import cli

NEXT = """
What to open next:
  make ui                                      the Dagster UI on this data, at http://127.0.0.1:3000
  .venv/bin/attribution datasets               the versions that were published
  .venv/bin/attribution review list            what waits for a reviewer, and why
  .venv/bin/attribution dead-letters           what could not be read, and why
  .venv/bin/attribution status --feedback ID   the whole history of one event
  datasets.load_dataset("data/datasets/feedback/<version>")
"""


def write_demo(data_dir: Path) -> tuple[date, date]:
    """Writes the demo's landing files below `data_dir`; returns the first and the last received date.

    Raises OpenBanditMissing when the package with the Open Bandit log is not installed, and
    LandingConflict when the folder holds files of the same names with another content.
    """
    print(f"demo: writing {data_dir / 'landing'}, received dates {FIRST_DAY} .. {LAST_DAY}")
    for source, write in (
        ("Open Bandit log", write_open_bandit),
        ("assistant traffic", write_assistant),
        ("refund desk", write_refunds),
    ):
        counts = write(data_dir)
        print(f"  {source}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
    return FIRST_DAY, LAST_DAY


def main() -> None:
    """The command line: `python -m demo --data-dir DIR`."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="Writes a week of example landing files.")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder in which landing/ is written")
    parser.add_argument("--run", action="store_true", help="also run the pipeline on it")
    arguments = parser.parse_args()
    try:
        first, last = write_demo(arguments.data_dir)
    except (OpenBanditMissing, LandingConflict) as error:
        raise SystemExit(f"demo: {error}") from None
    command = ["run", "--from", first.isoformat(), "--to", last.isoformat()]
    if not arguments.run:
        print(f"  next: attribution {' '.join(command)}")
        return
    os.environ["FEEDBACK_DATA_DIR"] = str(arguments.data_dir.resolve())
    if not {"FEEDBACK_PSEUDONYM_KEY", "FEEDBACK_PSEUDONYM_KEY_FILE"} & os.environ.keys():
        os.environ["FEEDBACK_PSEUDONYM_KEY_FILE"] = str(key_file(arguments.data_dir))
        print(
            "  user ids are stored as tokens; for runs of your own on this data set "
            f"FEEDBACK_PSEUDONYM_KEY_FILE={os.environ['FEEDBACK_PSEUDONYM_KEY_FILE']}"
        )
    code = cli.main(command)
    if code == 0:
        print(NEXT)
    raise SystemExit(code)
