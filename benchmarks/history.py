"""A history as the batch leaves it, for what begins where the batch ends: ledger and the tables of pairs, no more.

The platform's own loading and its own models; gates, data tests, the other marts and datasets are left out, since
nothing that is measured afterwards reads them.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from benchmarks.arrivals import days_before, write_day
from benchmarks.runs import environment

_MODELS = (
    *("staging", "rules", "int_inference_receipts", "int_feedback_receipts", "int_review_decisions"),
    *("int_feedback_candidates", "int_feedback_matches", "int_correction_measures", "int_feedback_flags"),
    *("int_feedback_attributions", "int_built_partitions"),
)
_DONE = "history.json"


def build_history(data_dir: Path, day: date, given: argparse.Namespace) -> None:
    """Lands, loads and builds the days before `day`, unless the folder has just these."""
    asked = json.dumps([str(day), given.inferences, given.days, given.feedback, given.prompt_words])
    done = data_dir / _DONE
    if done.exists() and done.read_text() == asked:
        return
    data_dir.mkdir(parents=True, exist_ok=True)
    for of in days_before(day, given.days):
        write_day(
            data_dir,
            of,
            first=days_before(day, given.days)[0],
            ids="random",
            inferences=given.inferences // given.days,
            feedback=given.feedback // given.days,
            prompt_words=(given.prompt_words[0], given.prompt_words[1]),
        )
    days = [str(of) for of in days_before(day, given.days)]
    subprocess.run([sys.executable, "-m", "benchmarks.history", *days], env=environment(data_dir), check=True)
    done.write_text(asked)


def _load_and_build(days: list[date]) -> None:
    """In a process of its own, whose settings are the data folder's."""
    from orchestration.contracts.json_schema import STREAMS
    from orchestration.lib import attribution_files, dbt, stage_times
    from orchestration.lib.build_window import BuildWindow
    from orchestration.lib.ledger import load_partition
    from orchestration.lib.settings import Settings

    settings = Settings.from_env()
    for day in days:
        for stream in STREAMS:
            load_partition(settings, stream, day)
        print(f"{day} is in the ledger", flush=True)
    attribution_files.ensure_readable(settings)
    stage_times.ensure_readable(settings)
    dbt.set_environment(settings)
    window = BuildWindow(days[0], days[-1], days[0], days[-1])
    variables = json.dumps(dbt.run_variables(settings, window))
    target = str(settings.data_dir / ".scratch" / "dbt")
    what = ["run", "--select", *_MODELS, "--vars", variables, "--target-path", target, "--no-write-json"]
    result = dbt.invoke(what, manifest=dbt.project_of(settings))
    if not result.success:
        raise RuntimeError([one.message for one in result.result.results if one.status != "success"])


if __name__ == "__main__":
    _load_and_build([date.fromisoformat(day) for day in sys.argv[1:]])
