{{ config(partition_column='paired_date') }}

with pairs as (
    select matches.*
    from {{ ref('int_feedback_matches') }} as matches
    anti join {{ ref('int_feedback_attributions') }} as attributions
        on matches.feedback_received_date = attributions.feedback_received_date
        and matches.feedback_source_file = attributions.feedback_source_file
        and matches.feedback_source_line = attributions.feedback_source_line
        and matches.paired_date = attributions.attributed_date
    where matches.state = 'sound' and {{ in_window('matches.paired_date') }}
),

feedback as (
    select * from {{ ref('stg_feedback') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_matches'), 'feedback_received_date', in_window('paired_date')) }}
    )
),

inferences as (
    select * from {{ ref('stg_inferences') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_matches'), 'inference_received_date', in_window('paired_date')) }}
    )
    and request_id in (select request_id from pairs)
)

{{ described_pairs(['paired_date']) }}
