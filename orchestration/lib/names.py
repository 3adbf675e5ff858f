"""Names that more than one module has to agree on."""

ATTRIBUTION_JOB = "attribution_job"
LOADING_JOB = "hourly_loading_job"
# The group of the assets that load hours, which are in no other job.
HOURS_GROUP = "hours"
RETENTION = "retention"
RETENTION_JOB = "retention_job"
ERASURE_JOB = "erasure_job"
APPLIED_ERASURES = "applied_erasures"
ERASURE_REPORTS = "erasure_reports"
# The folder of what `attribution follow` keeps, and the use of the key that it is encrypted with.
LIVE = "live"
LIVE_VIEW = "live_attributed_feedback"
LIVE_VIEW_CHECK = "live_view_is_fresh"
