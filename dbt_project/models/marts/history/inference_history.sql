{{ config(partition_column='attributed_date') }}

-- Each user's and session's events of the days that a row may count are put on one time line, the answers asked for
-- among them. An event enters where it happened and leaves `history_window_days` later, so that what an answer finds
-- is a running sum. A join of each answer with all before it would be 10^10 pairs for a user with 100,000 events, and a
-- frame of so many days before each row searches for its bounds row by row (docs/decisions/0012).
{%- set window_us = var('history_window_days') * 86400000000 %}
{%- set days_read = var('history_window_days') + var('attribution_window_days') %}

with feedback as (
    select
        feedback_id, request_id, author_id, inference_session_id as session_id, inference_user_id as user_id,
        reward, attributed_date,
        {{ microseconds('inference_at') }} as inference_us,
        -- Where a clock is ahead, feedback seems to be there before what it judges. It is none of its own history.
        {{ microseconds('greatest(feedback_at, inference_at)') }} as feedback_us,
        feedback_type = 'retraction' as is_retraction
    from {{ ref('int_feedback_attributions') }}
    where attributed_date between date '{{ var("window_from") }}' - {{ days_read }} and date '{{ var("window_to") }}'
),

asked as (
    select distinct attributed_date, request_id, session_id, user_id, inference_us
    from feedback
    where {{ in_window('attributed_date') }}
),

subjects as (
    select distinct attributed_date, 'user' as kind, user_id as subject_id from asked where user_id is not null
    union all
    select distinct attributed_date, 'session' as kind, session_id as subject_id from asked where session_id is not null
),

answers as (
    select request_id, session_id, user_id, {{ microseconds('inference_at') }} as inference_us, received_date
    from {{ ref('int_inference_receipts') }}
    where is_first
        and received_date between date '{{ var("window_from") }}' - {{ days_read }} and date '{{ var("window_to") }}'
),

ended as (
    select feedback_id, min(effective_date) as ended_date
    from {{ ref('int_feedback_supersessions') }}
    where effective_date <= date '{{ var("window_to") }}'
    group by feedback_id
),

said as (
    select feedback.*, ended.ended_date
    from feedback
    left join ended using (feedback_id)
    where not feedback.is_retraction
),

-- Who an event belongs to, and the days on which it is known.
events as (
    select 'user' as kind, user_id as subject_id, inference_us as at_us, 'answer' as event, session_id,
        null::bigint as micro_reward, received_date as known_from, null::date as known_until
    from answers
    union all
    select 'session', session_id, inference_us, 'answer', null, null, received_date, null
    from answers
    union all
    select 'user', author_id, feedback_us, 'feedback', null, round(reward * 1000000)::bigint, attributed_date, ended_date
    from said
    union all
    select 'session', session_id, feedback_us, 'feedback', null, round(reward * 1000000)::bigint, attributed_date,
        ended_date
    from said
),

known as (
    select
        subjects.attributed_date, subjects.kind, subjects.subject_id, events.at_us, events.session_id,
        case when events.event = 'answer' then 1 else 0 end as answers,
        case when events.event = 'feedback' then 1 else 0 end as feedback,
        case when events.micro_reward is not null then 1 else 0 end as rewards,
        coalesce(events.micro_reward, 0) as micro_reward
    from subjects
    inner join events
        on subjects.kind = events.kind
        and subjects.subject_id = events.subject_id
        and events.known_from between subjects.attributed_date - {{ days_read }} and subjects.attributed_date
        and (events.known_until is null or events.known_until > subjects.attributed_date)
),

-- A session enters with an answer that none of its own is near enough before, and leaves with one that none follows.
with_neighbours as (
    select
        *,
        case when session_id is not null and at_us - coalesce(lag(at_us) over of_session, at_us - {{ window_us + 1 }})
            > {{ window_us }} then 1 else 0 end as sessions_entering,
        case when session_id is not null and coalesce(lead(at_us) over of_session, at_us + {{ window_us + 1 }}) - at_us
            > {{ window_us }} then 1 else 0 end as sessions_leaving
    from known
    window of_session as (partition by attributed_date, kind, subject_id, session_id order by at_us)
),

time_lines as (
    select
        attributed_date, kind, subject_id, null as request_id, at_us, false as is_asked,
        answers, feedback, rewards, micro_reward, sessions_entering as sessions,
        case when answers = 1 then at_us end as entered_us, null::bigint as left_us
    from with_neighbours
    union all
    select
        attributed_date, kind, subject_id, null, at_us + {{ window_us }}, false,
        -answers, -feedback, -rewards, -micro_reward, -sessions_leaving,
        null, case when answers = 1 then at_us end
    from with_neighbours
    union all
    select attributed_date, 'user', user_id, request_id, inference_us, true, 0, 0, 0, 0, 0, null, null
    from asked where user_id is not null
    union all
    select attributed_date, 'session', session_id, request_id, inference_us, true, 0, 0, 0, 0, 0, null, null
    from asked where session_id is not null
),

-- What enters in an answer's own instant is not before it, and what leaves in it is still there.
looked_back as (
    select
        attributed_date, kind, request_id, is_asked,
        (sum(answers) over up_to)::bigint as answers,
        (sum(feedback) over up_to)::bigint as feedback,
        (sum(sessions) over up_to)::bigint as sessions,
        max(entered_us) over up_to as last_us,
        -- The first that is there is the next one to leave.
        min(left_us) over from_here as next_to_leave_us,
        -- Whole numbers: a sum of floats would depend on the order of what happened in the same instant.
        sum(micro_reward) over up_to / nullif(sum(rewards) over up_to, 0) / 1000000 as mean_reward
    from time_lines
    window
        up_to as (
            partition by attributed_date, kind, subject_id order by at_us, is_asked desc
            rows between unbounded preceding and current row
        ),
        from_here as (
            partition by attributed_date, kind, subject_id order by at_us, is_asked desc
            rows between current row and unbounded following
        )
),

of_asked as (
    select
        * exclude (last_us, next_to_leave_us),
        case when answers > 0 then last_us end as last_us,
        case when answers > 0 then next_to_leave_us end as first_us
    from looked_back
    where is_asked
),

final as (
    select
        feedback.feedback_id,
        feedback.request_id,
        feedback.user_id,
        feedback.session_id,
        of_session.answers as session_turns_before,
        (feedback.inference_us - of_session.first_us) / 1000000.0 as seconds_since_session_start,
        (feedback.inference_us - of_session.last_us) / 1000000.0 as seconds_since_previous_turn,
        of_session.feedback as session_feedback_before,
        round(of_session.mean_reward, 6) as session_mean_reward_before,
        of_user.answers as user_inferences_before,
        of_user.sessions as user_sessions_before,
        (feedback.inference_us - of_user.first_us) / 1000000.0 as seconds_since_user_first_seen,
        of_user.feedback as user_feedback_before,
        round(of_user.mean_reward, 6) as user_mean_reward_before,
        feedback.inference_us - {{ window_us }}
            >= {{ microseconds('feedback.attributed_date - ' ~ days_read) }} as is_whole,
        feedback.attributed_date
    from feedback
    left join of_asked as of_session
        on feedback.attributed_date = of_session.attributed_date
        and feedback.request_id = of_session.request_id
        and of_session.kind = 'session'
    left join of_asked as of_user
        on feedback.attributed_date = of_user.attributed_date
        and feedback.request_id = of_user.request_id
        and of_user.kind = 'user'
    where {{ in_window('feedback.attributed_date') }}
)

select * from final
