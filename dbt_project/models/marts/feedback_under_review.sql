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
),

final as (
    select
        {{ attributed_columns('pairs', 'feedback', 'inferences') }},
        pairs.paired_date
    from pairs
    inner join feedback
        on pairs.feedback_received_date = feedback.received_date
        and pairs.feedback_source_file = feedback.source_file
        and pairs.feedback_source_line = feedback.source_line
    inner join inferences
        on pairs.request_id = inferences.request_id
        and pairs.inference_received_date = inferences.received_date
        and pairs.inference_source_file = inferences.source_file
        and pairs.inference_source_line = inferences.source_line
)

select * from final
