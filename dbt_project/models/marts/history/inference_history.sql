{{ config(partition_column='attributed_date') }}

-- Each user's and session's events are put on one time line, the answers asked for among them. An event enters where it
-- happened and leaves `history_window_days` later, so that what an answer finds is a running sum. A join of each answer
-- with all before it would be 10^10 pairs for a user with 100,000 events, and a frame of so many days before each row
-- searches for its bounds row by row (docs/decisions/0012).
-- The time line is one for all days of the window. What a day did not know yet, or no more, is taken out again on a time
-- line of that day alone; where that is answers, the day's own time line has all that it knew of them.
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
    select distinct attributed_date, 'user' as kind, user_id as subject_id, request_id, inference_us
    from feedback
    where {{ in_window('attributed_date') }} and user_id is not null
    union all
    select distinct attributed_date, 'session' as kind, session_id as subject_id, request_id, inference_us
    from feedback
    where {{ in_window('attributed_date') }} and session_id is not null
),

-- Between which instants an event counts for one of a day's answers.
subjects as (
    select attributed_date, kind, subject_id, min(inference_us) - {{ window_us }} as from_us, max(inference_us) as until_us
    from asked
    group by attributed_date, kind, subject_id
),

subjects_of_window as (
    select kind, subject_id, min(from_us) as from_us, max(until_us) as until_us
    from subjects
    group by kind, subject_id
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
    select 'user' as kind, user_id as subject_id, inference_us as at_us, true as is_answer, session_id,
        null::bigint as micro_reward, received_date as known_from, null::date as known_until
    from answers
    union all
    select 'session', session_id, inference_us, true, null, null, received_date, null
    from answers
    union all
    select 'user', author_id, feedback_us, false, null, round(reward * 1000000)::bigint, attributed_date, ended_date
    from said
    union all
    select 'session', session_id, feedback_us, false, null, round(reward * 1000000)::bigint, attributed_date, ended_date
    from said
),

of_window as (
    select events.*
    from events
    inner join subjects_of_window as subjects
        on events.kind = subjects.kind
        and events.subject_id = subjects.subject_id
        and events.at_us >= subjects.from_us
        and events.at_us < subjects.until_us
),

{%- set is_known %}
    events.known_from between subjects.attributed_date - {{ days_read }} and subjects.attributed_date
    and coalesce(events.known_until > subjects.attributed_date, true)
{%- endset %}

unknown as (
    select subjects.attributed_date, events.*
    from of_window as events
    inner join subjects
        on events.kind = subjects.kind
        and events.subject_id = subjects.subject_id
        and events.at_us >= subjects.from_us
        and events.at_us < subjects.until_us
    where not ({{ is_known }})
),

-- The days' own time lines.
own as (
    select attributed_date, kind, subject_id, bool_or(is_answer) as has_answers
    from unknown
    group by attributed_date, kind, subject_id
),

answers_on_lines as (
    select null::date as own_date, kind, subject_id, at_us, session_id
    from of_window
    where is_answer
    union all
    select subjects.attributed_date, events.kind, events.subject_id, events.at_us, events.session_id
    from own as subjects
    inner join of_window as events on subjects.kind = events.kind and subjects.subject_id = events.subject_id
    where subjects.has_answers and events.is_answer and {{ is_known }}
),

-- A session enters with an answer that none of its own is near enough before, and leaves with one that none follows.
with_neighbours as (
    select
        own_date, kind, subject_id, at_us,
        (at_us - coalesce(lag(at_us) over of_session, at_us - {{ window_us + 1 }}) > {{ window_us }})::int as enters,
        (coalesce(lead(at_us) over of_session, at_us + {{ window_us + 1 }}) - at_us > {{ window_us }})::int as leaves
    from answers_on_lines
    where session_id is not null
    window of_session as (partition by own_date, kind, subject_id, session_id order by at_us)
    union all
    select own_date, kind, subject_id, at_us, 0, 0
    from answers_on_lines
    where session_id is null
),

feedback_on_lines as (
    select null::date as own_date, kind, subject_id, at_us, 1 as feedback, micro_reward
    from of_window
    where not is_answer
    union all
    select attributed_date, kind, subject_id, at_us, -1, -micro_reward
    from unknown
    where not is_answer
),

asked_on_lines as (
    select asked.*, own.attributed_date as own_date, coalesce(own.has_answers, false) as has_own_answers
    from asked
    left join own
        on asked.attributed_date = own.attributed_date
        and asked.kind = own.kind
        and asked.subject_id = own.subject_id
),

-- What happened enters, and leaves a window later.
time_lines as (
    select
        own_date, kind, subject_id, at_us, null::date as attributed_date, null as request_id, false as is_asked,
        false as decides_answers,
        1 as answers, enters as sessions, 0 as feedback, 0 as rewards, 0::bigint as micro_reward,
        at_us as entered_us, null::bigint as left_us
    from with_neighbours
    union all
    select own_date, kind, subject_id, at_us + {{ window_us }}, null, null, false, false,
        -1, -leaves, 0, 0, 0, null, at_us
    from with_neighbours
    union all
    select own_date, kind, subject_id, at_us, null, null, false, false,
        0, 0, feedback, case when micro_reward is not null then feedback else 0 end, coalesce(micro_reward, 0), null, null
    from feedback_on_lines
    union all
    select own_date, kind, subject_id, at_us + {{ window_us }}, null, null, false, false,
        0, 0, -feedback, case when micro_reward is not null then -feedback else 0 end, coalesce(-micro_reward, 0),
        null, null
    from feedback_on_lines
    union all
    select null, kind, subject_id, inference_us, attributed_date, request_id, true, not has_own_answers,
        0, 0, 0, 0, 0, null, null
    from asked_on_lines
    union all
    select own_date, kind, subject_id, inference_us, attributed_date, request_id, true, has_own_answers,
        0, 0, 0, 0, 0, null, null
    from asked_on_lines
    where own_date is not null
),

-- What enters in an answer's own instant is not before it, and what leaves in it is still there.
looked_back as (
    select
        attributed_date, kind, request_id, is_asked, decides_answers,
        sum(answers) over up_to as answers,
        sum(sessions) over up_to as sessions,
        sum(feedback) over up_to as feedback,
        sum(rewards) over up_to as rewards,
        sum(micro_reward) over up_to as micro_reward,
        max(entered_us) over up_to as last_us,
        -- The first that is there is the next one to leave.
        min(left_us) over from_here as next_to_leave_us
    from time_lines
    window
        up_to as (
            partition by own_date, kind, subject_id order by at_us, is_asked desc
            rows between unbounded preceding and current row
        ),
        from_here as (
            partition by own_date, kind, subject_id order by at_us, is_asked desc
            rows between current row and unbounded following
        )
),

of_asked as (
    select
        attributed_date, kind, request_id,
        max(case when decides_answers then answers end)::bigint as answers,
        max(case when decides_answers then sessions end)::bigint as sessions,
        max(case when decides_answers and answers > 0 then last_us end) as last_us,
        max(case when decides_answers and answers > 0 then next_to_leave_us end) as first_us,
        sum(feedback)::bigint as feedback,
        -- Whole numbers: a sum of floats would depend on the order of what happened in the same instant.
        sum(micro_reward) / nullif(sum(rewards), 0) / 1000000 as mean_reward
    from looked_back
    where is_asked
    group by attributed_date, kind, request_id
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
