{{ config(partition_column='known_date') }}

with attributions as (
    select inference_session_id as session_id, attributed_date
    from {{ ref('int_feedback_attributions') }}
    where inference_session_id is not null and attributed_date <= date '{{ var("window_to") }}'
),

inferences as (
    select session_id, turn, request_id, inference_at, received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where is_first and session_id is not null and received_date <= date '{{ var("window_to") }}'
),

-- Only a session that got a turn or feedback in the window can have anything new.
touched as (
    select session_id from attributions where {{ in_window('attributed_date') }}
    union
    select session_id from inferences where {{ in_window('received_date') }}
),

with_feedback as (
    select session_id, min(attributed_date) as attributed_date
    from attributions
    where session_id in (select session_id from touched)
    group by session_id
),

-- A turn counts from the day on which it was received, and not before its session had feedback.
final as (
    select
        inferences.*,
        greatest(inferences.received_date, with_feedback.attributed_date) as known_date
    from inferences
    inner join with_feedback on inferences.session_id = with_feedback.session_id
    where {{ in_window('greatest(inferences.received_date, with_feedback.attributed_date)') }}
)

select * from final
