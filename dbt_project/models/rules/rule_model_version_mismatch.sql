{%- do rule(
    description='The client saw another model version than the one that the inference was logged with.',
    source='CONTRACT section 3; Breck et al. 2017, The ML Test Score: training and serving must agree on the version that answered.',
    priority=12
) -%}

select
    feedback_received_date,
    feedback_source_file,
    feedback_source_line,
    paired_date as flagged_date
from {{ ref('int_feedback_matches') }}
where state = 'sound' and model_version <> inference_model_version and {{ in_window('paired_date') }}
