{{ config(partition_column='paired_date') }}

{#- An inference's columns as a pair has them. -#}
{%- set inference_columns -%}
        request_id as matched_request_id, inference_at, session_id as inference_session_id, turn as inference_turn,
        user_id as inference_user_id, model_version as inference_model_version, variant as inference_variant,
        received_date as inference_received_date, source_file as inference_source_file,
        source_line as inference_source_line
{%- endset %}

with feedback as (
    select
        feedback_id, request_id, session_id, feedback_at,
        case when target_kind = 'turn' then target_id end as target_turn,
        received_date, source_file, source_line
    from {{ ref('int_feedback_receipts') }}
    -- Feedback from before the window may still be waiting; longer than the attribution window none does.
    where state = 'open'
        and received_date between {{ window_start_less_attribution_window() }} and date '{{ var("window_to") }}'
),

-- Of all that was ever received only what feedback asks for is kept: the history is read past the feedback's ids.
requested as (
    select
        {{ inference_columns }}
    from {{ ref('int_inference_receipts') }}
    where is_first and received_date <= date '{{ var("window_to") }}'
        and request_id in (select request_id from feedback where {{ in_window('received_date') }})
),

new_inferences as (
    select
        {{ inference_columns }}
    from {{ ref('int_inference_receipts') }}
    where is_first and {{ in_window('received_date') }}
),

by_request as (
    select feedback.*, requested.*
    from feedback
    inner join requested on feedback.request_id = requested.matched_request_id
    where {{ in_window('feedback.received_date') }}
    union all
    select feedback.*, new_inferences.*
    from feedback
    inner join new_inferences on feedback.request_id = new_inferences.matched_request_id
    where feedback.received_date < date '{{ var("window_from") }}'
),

-- Feedback on a conversation or on one of its turns, where either side is new.
of_sessions as (
    select * from feedback
    where request_id is null
        and ({{ in_window('received_date') }} or session_id in (select inference_session_id from new_inferences))
),

session_inferences as (
    select
        {{ inference_columns }}
    from {{ ref('int_inference_receipts') }}
    where is_first and received_date <= date '{{ var("window_to") }}'
        and session_id in (select session_id from of_sessions)
),

-- It waits for the first turn that it can be about; where it names one, by number or request id, for that one.
turns_meant as (
    select of_sessions.*, session_inferences.*,
        min(session_inferences.inference_received_date) over (
            partition by of_sessions.received_date, of_sessions.source_file, of_sessions.source_line
        ) as session_received_date
    from of_sessions
    inner join session_inferences
        on of_sessions.session_id = session_inferences.inference_session_id
        and (
            of_sessions.target_turn is null
            or of_sessions.target_turn in (
                session_inferences.inference_turn::varchar, session_inferences.matched_request_id
            )
        )
),

-- Of the turns that were known then: the last one that had been given when the feedback came.
by_session as (
    select *
    from turns_meant
    where inference_received_date <= greatest(received_date, session_received_date)
    qualify row_number() over (
        partition by received_date, source_file, source_line
        order by
            inference_at > {{ plus_minutes('feedback_at', var('early_tolerance_minutes')) }},
            abs(epoch_us(feedback_at) - epoch_us(inference_at)),
            inference_turn desc nulls last,
            matched_request_id
    ) = 1
),

paired as (
    select *, 'matched_request_id' as matched_by,
        greatest(received_date, inference_received_date) as paired_date
    from by_request
    -- An inference that came after the window finds its feedback closed as unknown_request.
    where inference_received_date <= received_date + {{ var('attribution_window_days') }}
    union all
    select * exclude (session_received_date), 'matched_session_id',
        greatest(received_date, session_received_date)
    from by_session
    where session_received_date <= received_date + {{ var('attribution_window_days') }}
),

final as (
    select
        feedback_id, feedback_at, received_date as feedback_received_date,
        source_file as feedback_source_file, source_line as feedback_source_line,
        matched_request_id as request_id, inference_at, inference_session_id, inference_turn, inference_user_id,
        inference_model_version, inference_variant, inference_received_date,
        inference_source_file, inference_source_line, matched_by, paired_date
    from paired
    where {{ in_window('paired_date') }}
)

select * from final
