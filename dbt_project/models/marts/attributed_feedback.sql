{{ config(partition_column='attributed_date') }}

with pairs as (
    select * from {{ ref('int_feedback_attributions') }} where {{ in_window('attributed_date') }}
),

feedback as (
    select * from {{ ref('stg_feedback') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_attributions'), 'feedback_received_date', in_window('attributed_date')) }}
    )
),

inferences as (
    select * from {{ ref('stg_inferences') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_attributions'), 'inference_received_date', in_window('attributed_date')) }}
    )
),

final as (
    select
        {{ attributed_columns('pairs', 'feedback', 'inferences') }},
        pairs.review_received_date,
        pairs.attributed_date
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
