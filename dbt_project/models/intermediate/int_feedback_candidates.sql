{{ config(partition_column='paired_date') }}

with feedback as (
    select
        feedback_id, request_id, session_id, feedback_at,
        received_date, source_file, source_line
    from {{ ref('int_feedback_receipts') }}
    -- Feedback from before the window may still be waiting; longer than the attribution window none does.
    where state = 'open'
        and received_date between {{ window_start_less_attribution_window() }} and date '{{ var("window_to") }}'
),

-- Of all that was ever received only what feedback asks for is kept: the history is read past the feedback's ids.
requested as (
    select
        request_id, inference_at, user_id, model_version, variant, received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where is_first and received_date <= date '{{ var("window_to") }}'
        and request_id in (select request_id from feedback where {{ in_window('received_date') }})
),

new_inferences as (
    select
        request_id, inference_at, user_id, model_version, variant, received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where is_first and {{ in_window('received_date') }}
),

inferences as (
    select
        request_id, session_id, turn, inference_at, user_id, model_version, variant,
        received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where is_first and received_date <= date '{{ var("window_to") }}'
        and session_id in (select session_id from feedback where request_id is null)
),

-- The first day on which each session was known; a session's feedback waits for that.
sessions as (
    select session_id, min(received_date) as received_date
    from inferences
    group by session_id
),

by_request as (
    select feedback.*, requested.request_id as matched_request_id, requested.inference_at,
        requested.user_id as inference_user_id, requested.model_version as inference_model_version,
        requested.variant as inference_variant, requested.received_date as inference_received_date,
        requested.source_file as inference_source_file, requested.source_line as inference_source_line
    from feedback
    inner join requested on feedback.request_id = requested.request_id
    where {{ in_window('feedback.received_date') }}
    union all
    select feedback.*, new_inferences.request_id, new_inferences.inference_at,
        new_inferences.user_id, new_inferences.model_version,
        new_inferences.variant, new_inferences.received_date,
        new_inferences.source_file, new_inferences.source_line
    from feedback
    inner join new_inferences on feedback.request_id = new_inferences.request_id
    where feedback.received_date < date '{{ var("window_from") }}'
),

-- Feedback on a whole conversation is about the last turn that had been given when it came.
by_session as (
    select feedback.*, inferences.request_id as matched_request_id, inferences.inference_at,
        inferences.user_id as inference_user_id, inferences.model_version as inference_model_version,
        inferences.variant as inference_variant, inferences.received_date as inference_received_date,
        inferences.source_file as inference_source_file, inferences.source_line as inference_source_line,
        sessions.received_date as session_received_date
    from feedback
    inner join sessions on feedback.session_id = sessions.session_id
    inner join inferences
        on feedback.session_id = inferences.session_id
        and inferences.received_date <= greatest(feedback.received_date, sessions.received_date)
    where feedback.request_id is null
    qualify row_number() over (
        partition by feedback.received_date, feedback.source_file, feedback.source_line
        order by
            inferences.inference_at > {{ plus_minutes('feedback.feedback_at', var('early_tolerance_minutes')) }},
            abs(epoch_us(feedback.feedback_at) - epoch_us(inferences.inference_at)),
            inferences.turn desc nulls last,
            inferences.request_id
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
        matched_request_id as request_id, inference_at, inference_user_id, inference_model_version,
        inference_variant, inference_received_date,
        inference_source_file, inference_source_line, matched_by, paired_date
    from paired
    where {{ in_window('paired_date') }}
)

select * from final
