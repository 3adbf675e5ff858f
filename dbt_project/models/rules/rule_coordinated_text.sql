{%- set threshold = rule(
    description='Several new users who said little else sent the same text within days.',
    source='Mukherjee et al. 2012, Spotting Fake Reviewer Groups; Lee et al. 2010: near-equal texts of young, single-purpose accounts.',
    threshold={'users': 5, 'characters': 20, 'days': 7, 'share_of_what_they_said': 0.5},
    priority=14
) -%}

with events as (
    select user_id, text_fingerprint, text_length, received_date, source_file, source_line
    from {{ ref('int_feedback_receipts') }}
    where received_date between {{ rules_look_back_to() }} and date '{{ var("window_to") }}'
        and state <> 'duplicate' and user_id is not null
        and coalesce(source, 'user') = 'user'
),

texts as (
    select * from events where text_length >= {{ threshold.characters }}
),

-- Texts of enough users within the days before one on which they were sent. A text is judged on those days.
sent as (
    select
        text_fingerprint, received_date as judged_date,
        list_unique(flatten(list(users) over (
            partition by text_fingerprint order by received_date
            range between interval '{{ threshold.days - 1 }} days' preceding and current row
        ))) as users
    from (
        -- No more users a day than decide: a flood of one text stays small.
        select text_fingerprint, received_date, (list(distinct user_id order by user_id))[:1000] as users
        from texts
        group by text_fingerprint, received_date
    )
),

suspects as (
    select text_fingerprint, judged_date
    from sent
    where users >= {{ threshold.users }} and {{ in_window('judged_date') }}
),

their_lines as (
    select suspects.judged_date, texts.*
    from suspects
    inner join texts
        on suspects.text_fingerprint = texts.text_fingerprint
        and texts.received_date between suspects.judged_date - {{ threshold.days - 1 }} and suspects.judged_date
),

first_seen as (
    select user_id, min(received_date) as first_date
    from (
        select user_id, received_date from {{ ref('int_feedback_receipts') }}
        where user_id in (select user_id from their_lines) and received_date <= date '{{ var("window_to") }}'
        union all
        select user_id, received_date from {{ ref('int_inference_receipts') }}
        where user_id in (select user_id from their_lines) and received_date <= date '{{ var("window_to") }}'
    )
    group by user_id
),

-- A user of one purpose: new, and half of what they ever said is this text.
said as (
    select their_lines.judged_date, their_lines.text_fingerprint, their_lines.user_id,
        count(*) filter (where events.text_fingerprint is not distinct from their_lines.text_fingerprint)
            / count(*) as share
    from (select distinct judged_date, text_fingerprint, user_id from their_lines) as their_lines
    inner join first_seen
        on their_lines.user_id = first_seen.user_id
        and first_seen.first_date > their_lines.judged_date - {{ threshold.days }}
    inner join events
        on their_lines.user_id = events.user_id
        and events.received_date between
            their_lines.judged_date - {{ var('rules_window_days') }} and their_lines.judged_date
    group by all
),

groups as (
    select judged_date, text_fingerprint, list(user_id) as users
    from said
    where share >= {{ threshold.share_of_what_they_said }}
    group by judged_date, text_fingerprint
    having count(*) >= {{ threshold.users }}
)

select
    their_lines.received_date as feedback_received_date,
    their_lines.source_file as feedback_source_file,
    their_lines.source_line as feedback_source_line,
    their_lines.judged_date as flagged_date
from their_lines
inner join said using (judged_date, text_fingerprint, user_id)
inner join groups using (judged_date, text_fingerprint)
where said.share >= {{ threshold.share_of_what_they_said }}
