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
        case when target_kind = 'turn' and target_id is not null then 'turn ' || target_id else 'session' end as meant,
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
    select feedback.* exclude (meant), requested.*
    from feedback
    inner join requested on feedback.request_id = requested.matched_request_id
    where {{ in_window('feedback.received_date') }}
    union all
    select feedback.* exclude (meant), new_inferences.*
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

-- Feedback on a session may mean it whole, or one turn, by its number or its request id.
meant_turns as (
    select 'session' as meant, * from session_inferences
    union all
    select 'turn ' || inference_turn, * from session_inferences where inference_turn is not null
    union all
    select 'turn ' || matched_request_id, * from session_inferences
    where matched_request_id is distinct from inference_turn::varchar
),

-- It waits for the first turn that it can be about. Of two turns at once the later number is the last.
session_turns as (
    select
        *, min(inference_received_date) over (partition by inference_session_id, meant) as session_received_date
    from meant_turns
    where (inference_session_id, meant) in (select (session_id, meant) from of_sessions)
    qualify row_number() over (
        partition by inference_session_id, meant, inference_received_date, inference_at
        order by inference_turn desc nulls last, matched_request_id
    ) = 1
),

session_days as (
    select distinct inference_session_id, meant, session_received_date, inference_received_date as turns_received_date
    from session_turns
),

-- Turns and feedback on one time line, for each day of turns that was known then: where a client names all its sessions
-- alike, feedback times turns would be 10^9 pairs.
time_line as (
    select
        inference_session_id as session_id, meant, inference_received_date as turns_received_date,
        inference_at as instant, inference_at as turn_at, false as is_feedback
    from session_turns
    union all by name
    select of_sessions.*, session_received_date, turns_received_date, feedback_at as instant, true as is_feedback
    from of_sessions
    inner join session_days
        on of_sessions.session_id = session_days.inference_session_id and of_sessions.meant = session_days.meant
        and session_days.turns_received_date <= greatest(of_sessions.received_date, session_days.session_received_date)
),

neighbours as (
    select
        *,
        max(turn_at) over (in_time rows between unbounded preceding and current row) as before_at,
        min(turn_at) over (in_time rows between current row and unbounded following) as after_at
    from time_line
    window in_time as (partition by session_id, meant, turns_received_date order by instant, is_feedback)
),

near_turns as (
    {% for neighbour in ['before_at', 'after_at'] -%}
    select
        neighbours.feedback_id, neighbours.request_id, neighbours.session_id, neighbours.feedback_at,
        neighbours.received_date, neighbours.source_file, neighbours.source_line,
        session_turns.* exclude (meant)
    from neighbours
    inner join session_turns
        on neighbours.session_id = session_turns.inference_session_id and neighbours.meant = session_turns.meant
        and neighbours.turns_received_date = session_turns.inference_received_date
        and neighbours.{{ neighbour }} = session_turns.inference_at
    where neighbours.is_feedback
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor -%}
),

-- The last one that had been given when the feedback came.
by_session as (
    select *
    from near_turns
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
