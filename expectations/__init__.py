"""What must hold of the platform's data before it is published: Great Expectations suites and the gate that runs them.

A module a table (`ledger`, `attributed_feedback`, `partition_quality`, `dataset`), each with a
`build_suite()`; `thresholds.yml` beside them; `session.GateSession` runs a suite where the data is and
answers with a `report.GateReport`. Nothing here knows Dagster, dbt or where files are kept.

Importing any module of this package is cheap: Great Expectations (8 s) is imported when the first suite
is built or the first session opened, see `gx_runtime`.
"""
