{{ config(partition_column='known_date') }}

-- What came as a preference in the window, or may still have waited for one of its two inferences.
with preferences as (
    select
        feedback_id, feedback_at, chosen_request_id, rejected_request_id, feedback_received_date, attributed_date
    from {{ ref('attributed_feedback') }}
    where chosen_request_id is not null and rejected_request_id is not null
        and attributed_date between {{ window_start_less_attribution_window() }} and date '{{ var("window_to") }}'
),

sides as (
    select feedback_id, 'chosen' as side, chosen_request_id as request_id, * exclude (feedback_id) from preferences
    union all
    select feedback_id, 'rejected' as side, rejected_request_id, * exclude (feedback_id) from preferences
),

inferences as (
    select request_id, inference_at, received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where is_first and received_date <= date '{{ var("window_to") }}'
        and request_id in (select request_id from sides)
),

final as (
    select
        sides.feedback_id,
        sides.side,
        sides.request_id,
        inferences.inference_at,
        {{ broken_time_rule('sides.feedback_at', 'inferences.inference_at') }} as broken_rule,
        inferences.received_date as inference_received_date,
        inferences.source_file as inference_source_file,
        inferences.source_line as inference_source_line,
        greatest(sides.attributed_date, inferences.received_date) as known_date
    from sides
    inner join inferences on sides.request_id = inferences.request_id
    -- The one that came later than feedback waits is unknown, as for any feedback.
    where inferences.received_date <= sides.feedback_received_date + {{ var('attribution_window_days') }}
        and {{ in_window('greatest(sides.attributed_date, inferences.received_date)') }}
)

select * from final
