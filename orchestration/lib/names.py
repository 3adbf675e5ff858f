"""Names that more than one module has to agree on."""

ATTRIBUTION_JOB = "attribution_job"
