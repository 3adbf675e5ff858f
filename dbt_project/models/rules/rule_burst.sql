{%- set threshold = rule(
    description='One user sent more events within a minute than a person can mean.',
    source='CONTRACT section 3; OWASP Automated Threats OAT-016 Skewing: rate per identity is its first symptom.',
    threshold={'events': 20, 'seconds': 60},
    priority=10
) -%}

-- By the events' own times: what was collected offline comes in at once and is no burst. A judge that is a
-- program is fast by nature, and a resent event is no further one.
with events as (
    select user_id, feedback_at, received_date, source_file, source_line
    from {{ ref('int_feedback_receipts') }}
    where received_date between {{ rules_look_back_to() }} and date '{{ var("window_to") }}'
        and state <> 'duplicate' and has_timestamp and user_id is not null
        and coalesce(source, 'user') in ('user', 'annotator')
),

-- Each day is judged with what it knew. Of what came before it, only events of the same moments matter.
judged_days as (
    select
        user_id, received_date as judged_date,
        min(feedback_at) - interval '{{ threshold.seconds }} seconds' as first_at,
        max(feedback_at) + interval '{{ threshold.seconds }} seconds' as last_at
    from events
    where {{ in_window('received_date') }}
    group by user_id, received_date
),

known as (
    select events.*, judged_days.judged_date
    from judged_days
    inner join events
        on judged_days.user_id = events.user_id
        and events.received_date between
            judged_days.judged_date - {{ var('rules_window_days') }} and judged_days.judged_date
        and events.feedback_at between judged_days.first_at and judged_days.last_at
),

counted as (
    select
        *,
        count(*) over (
            partition by judged_date, user_id order by feedback_at
            range between current row and interval '{{ threshold.seconds }} seconds' following
        ) as events_from_here
    from known
),

-- Every event of a span that is too full, not only those past the limit: none of them is sounder.
spans as (
    select
        *,
        max(events_from_here) over (
            partition by judged_date, user_id order by feedback_at
            range between interval '{{ threshold.seconds }} seconds' preceding and current row
        ) as events_around
    from counted
)

select
    received_date as feedback_received_date,
    source_file as feedback_source_file,
    source_line as feedback_source_line,
    judged_date as flagged_date
from spans
where events_around > {{ threshold.events }}
