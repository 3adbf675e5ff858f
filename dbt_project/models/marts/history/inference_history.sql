{{ config(partition_column='attributed_date') }}

-- Each user's and session's events of the days that a row may count are put on one time line, the answers asked for
-- among them, and frames over it look back: a user with 100,000 events costs a sort, where a join of each answer with
-- all before it would cost 10^10 pairs.
{%- set microseconds_of_a_day = 86400000000 %}
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

time_lines as (
    select
        subjects.attributed_date, subjects.kind, subjects.subject_id, events.at_us, events.event, events.session_id,
        events.micro_reward, null as request_id
    from subjects
    inner join events
        on subjects.kind = events.kind
        and subjects.subject_id = events.subject_id
        and events.known_from between subjects.attributed_date - {{ days_read }} and subjects.attributed_date
        and (events.known_until is null or events.known_until > subjects.attributed_date)
    union all
    select attributed_date, 'user', user_id, inference_us, 'asked', null, null, request_id
    from asked where user_id is not null
    union all
    select attributed_date, 'session', session_id, inference_us, 'asked', null, null, request_id
    from asked where session_id is not null
),

looked_back as (
    select
        attributed_date, kind, request_id, event, at_us,
        -- DuckDB 1.5 evaluates a `count` of some rows anew for each row: quadratic, where a sum is not.
        coalesce(sum(case when event = 'answer' then 1 else 0 end) over before, 0)::bigint as answers,
        coalesce(sum(case when event = 'feedback' then 1 else 0 end) over before, 0)::bigint as feedback,
        count(distinct session_id) over before as sessions,
        min(at_us) filter (where event = 'answer') over before as first_us,
        max(at_us) filter (where event = 'answer') over before as last_us,
        -- Whole numbers: a sum of floats would depend on the order of what happened in the same instant.
        sum(micro_reward) over before
            / nullif(sum(case when micro_reward is not null then 1 else 0 end) over before, 0) / 1000000 as mean_reward
    from time_lines
    window before as (
        partition by attributed_date, kind, subject_id
        order by at_us
        range between {{ var('history_window_days') * microseconds_of_a_day }} preceding and 1 preceding
    )
),

of_asked as (
    select * from looked_back where event = 'asked'
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
        feedback.inference_us - {{ var('history_window_days') * microseconds_of_a_day }}
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
