"""Data Docs of a session: GX's pages about its validations, without a word that a user wrote."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from expectations.gx_runtime import DATA_DOCS_SITE, silenced
from expectations.outcomes import UNEXPECTED_ROWS, raised
from expectations.report import ExpectationOutcome, GateReport, example_text


def keep_for_docs(
    context: Any,
    result: Any,
    *,
    report: GateReport,
    outcomes: Sequence[ExpectationOutcome],
    asset_name: str,
    started_at: datetime,
) -> None:
    """Gives a suite's result to the context's store, from which the pages are built.

    `outcomes` are those of `result.results`, in its order. The result is changed: what it would show of
    the data is replaced with what the outcome shows.
    """
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types import resource_identifiers as ids

    for single, outcome in zip(result.results, outcomes, strict=True):
        _show_outcome(single, outcome)
    run_id = RunIdentifier(run_name=report.partition, run_time=started_at)
    result.meta["run_id"] = run_id
    context.validation_results_store.store_validation_results(
        suite_validation_result=result,
        suite_validation_result_identifier=ids.ValidationResultIdentifier(
            expectation_suite_identifier=ids.ExpectationSuiteIdentifier(name=result.suite_name),
            run_id=run_id,
            # Names the page's file.
            batch_identifier=re.sub(r"[^\w-]+", "_", f"{report.gate}-{asset_name}"),
        ),
    )


def _show_outcome(single: Any, outcome: ExpectationOutcome) -> None:
    error = raised(single)
    if error is not None:
        single.exception_info = {
            "raised_exception": True,
            "exception_message": outcome.observed,
            "exception_traceback": outcome.observed,
        }
        # The renderer takes the columns of a page from here, whether there are any or not.
        single.result = {"observed_value": []}
    elif single.expectation_config.type == UNEXPECTED_ROWS:
        examples = "; ".join(example_text(example) for example in outcome.examples)
        single.result = {"observed_value": outcome.observed + (f", for example {examples}" if examples else "")}


def build_data_docs(context: Any, directory: Path) -> Path:
    """Writes the pages and gives the index. Pages of an earlier session in the same folder go."""
    with silenced():
        context.build_data_docs(site_names=[DATA_DOCS_SITE])
    return directory / "index.html"
