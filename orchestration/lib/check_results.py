"""Gate reports as Dagster asset checks and metadata: pure translation."""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

from expectations.report import GateReport, findings_table


def check_result(
    *,
    check: str,
    reports: Mapping[date, Sequence[GateReport]],
    asset_key: dg.AssetKey | None = None,
    data_docs: str | None = None,
) -> dg.AssetCheckResult:
    """One result for all days of a run: failed if any day failed, with the failing days told first. Where all
    days may be published and something is to be looked at, it is one of severity WARN.
    """
    every = [report for of_day in reports.values() for report in of_day]
    failed = [report for report in every if not report.success]
    warned = [report for report in every if report.success and report.warnings]
    passed_days = sum(all(report.success for report in of_day) for of_day in reports.values())
    metadata: dict[str, dg.MetadataValue] = {
        "partitions_passed": dg.MetadataValue.int(passed_days),
        "partitions_failed": dg.MetadataValue.int(len(reports) - passed_days),
        "report": dg.MetadataValue.md(_markdown(reports)),
    }
    for word, told in (("failed", failed), ("warned", warned)):
        for report in told[:10]:
            metadata[f"{word} {report.partition} {report.gate}"] = dg.MetadataValue.md(report.to_markdown())
    surprises = findings_table(every)
    if surprises:
        metadata["surprises"] = dg.MetadataValue.md(surprises)
    if data_docs:
        metadata["data_docs"] = dg.MetadataValue.url(data_docs)
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=check,
        # A check that passed has no severity to show: a warning is one that failed without holding anything up.
        passed=not failed and not warned,
        severity=dg.AssetCheckSeverity.ERROR if failed or not warned else dg.AssetCheckSeverity.WARN,
        description="; ".join(report.summary() for report in (failed or warned)[:3]) or None,
        metadata=metadata,
    )


def _markdown(reports: Mapping[date, Sequence[GateReport]]) -> str:
    lines = ["| partition | gate | result | expectations |", "|---|---|---|---:|"]
    for day, of_day in sorted(reports.items()):
        if not of_day:
            lines.append(f"| {day} | | passed: no lines received | 0 |")
        for report in of_day:
            result = "passed" if report.success else f"**failed**: {report.summary()}"
            if report.success and report.warnings:
                result = f"passed with warnings: {report.summary()}"
            lines.append(f"| {day} | {report.gate} | {result} | {len(report.outcomes)} |")
    return "\n".join(lines)
