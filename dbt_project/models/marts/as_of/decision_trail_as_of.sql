{{ config(parameters='as_of') }}

{#- What makes a line one: events of one line follow each other, and a reader asks for one feedback_id. -#}
{%- set line = 'feedback_id, received_date, source_file, source_line' -%}

-- The decisions on every feedback line, in order, each with the state that it left the line in. Nothing is written for
-- it: it is read from what is only ever added to, so it can not disagree with the tables that it replays to.
with lines as (
    select {{ line }}, request_id, state, reason
    from {{ ref('int_feedback_receipts') }}
    where received_date <= as_of::date
    union all
    select {{ line }}, request_id, 'dead_letter', reason
    from {{ ref('stg_dead_letters') }}
    where stream = 'feedback' and received_date <= as_of::date
),

matches as (
    select
        feedback_id, feedback_received_date as received_date, feedback_source_file as source_file,
        feedback_source_line as source_line, request_id, state, reason, paired_date,
        inference_received_date, inference_source_file, inference_source_line
    from {{ ref('int_feedback_matches') }}
    where paired_date <= as_of::date
),

received as (
    select
        {{ line }}, steps.decision, steps.step, received_date as fact_date,
        received_date as by_received_date, source_file as by_source_file, source_line as by_source_line
    from lines
    cross join (values ('received', 0), ('validated', 1)) as steps (decision, step)
),

matched as (
    select
        {{ line }}, 'matched' as decision, 2 as step, paired_date as fact_date,
        {'state': state, 'reason': reason} as match, request_id as matched_request_id, request_id as decided_by,
        inference_received_date as by_received_date, inference_source_file as by_source_file,
        inference_source_line as by_source_line
    from matches
),

expired as (
    select
        {{ line }}, 'expired' as decision, 2 as step,
        received_date + {{ var('attribution_window_days') }} + 1 as fact_date
    from lines
    anti join matches using (received_date, source_file, source_line)
    where state = 'open' and {{ has_expired('received_date', 'as_of::date') }}
),

flagged as (
    select
        feedback_id, feedback_received_date as received_date, feedback_source_file as source_file,
        feedback_source_line as source_line, 'flagged' as decision, 3 as step, flagged_date as fact_date,
        {'priority': priority, 'rule': rule, 'state': state, 'reason': reason} as flag, rule as decided_by
    from {{ ref('int_feedback_flags') }}
    where flagged_date <= as_of::date
),

reviewed as (
    select
        lines.feedback_id, lines.received_date, lines.source_file, lines.source_line,
        decisions.decision || 'ed' as decision, 4 as step, decisions.received_date as fact_date,
        decisions.decision as review, decisions.reviewer as decided_by, decisions.received_date as by_received_date,
        decisions.source_file as by_source_file, decisions.source_line as by_source_line
    from {{ ref('int_review_decisions') }} as decisions
    inner join lines on decisions.feedback_id = lines.feedback_id and lines.state = 'open'
    where decisions.received_date <= as_of::date
),

attributed as (
    select
        feedback_id, feedback_received_date as received_date, feedback_source_file as source_file,
        feedback_source_line as source_line, 'attributed' as decision, 5 as step, attributed_date as fact_date,
        attributed_date, request_id as decided_by
    from {{ ref('int_feedback_attributions') }}
    where attributed_date <= as_of::date
),

-- Superseded or retracted: what said so is the line of the other feedback.
ended as (
    select
        lines.feedback_id, lines.received_date, lines.source_file, lines.source_line, ends.cause as decision, 6 as step,
        ends.effective_date as fact_date, ends.by_feedback_id as decided_by, others.received_date as by_received_date,
        others.source_file as by_source_file, others.source_line as by_source_line
    from {{ ref('int_feedback_supersessions') }} as ends
    inner join lines on ends.feedback_id = lines.feedback_id and lines.state = 'open'
    inner join lines as others on ends.by_feedback_id = others.feedback_id and others.state = 'open'
    where ends.effective_date <= as_of::date
),

decisions as (
    select * from received
    union all by name
    select * from matched
    union all by name
    select * from expired
    union all by name
    select * from flagged
    union all by name
    select * from reviewed
    union all by name
    select * from attributed
    union all by name
    select * from ended
),

-- What was known after each decision. A flag that an acceptance has answered counts no more: each acceptance starts anew.
so_far as (
    select
        *,
        row_number() over in_order - 1 as position,
        bool_or(decision = 'validated') over in_order as is_validated,
        max(match) over in_order as last_match,
        max(matched_request_id) over in_order as last_request_id,
        bool_or(decision = 'expired') over in_order as has_expired,
        last_value(review ignore nulls) over in_order as last_review,
        count(*) filter (where decision = 'accepted') over in_order as acceptances,
        max(attributed_date) over in_order as last_attributed_date,
        bool_or(decision in ('superseded', 'retracted')) over in_order as has_ended
    from decisions
    window in_order as (
        partition by {{ line }} order by fact_date, step, decided_by, by_source_file, by_source_line
        rows between unbounded preceding and current row
    )
),

with_flags as (
    select
        *,
        min(flag) over (
            partition by {{ line }}, acceptances order by position rows between unbounded preceding and current row
        ) as first_flag
    from so_far
),

judged as (
    select
        decisions.*, lines.request_id as named_request_id,
        {{ state_and_reason(
            'lines', 'decisions.last_match', 'decisions.first_flag', 'decisions.last_review',
            has_expired='decisions.has_expired'
        ) }}
    from with_flags as decisions
    inner join lines
        on decisions.received_date = lines.received_date
        and decisions.source_file = lines.source_file
        and decisions.source_line = lines.source_line
),

final as (
    select
        feedback_id,
        coalesce(last_request_id, named_request_id) as request_id,
        received_date, source_file, source_line, position,
        -- A review may come before the feedback that it is on, and counts from then on.
        greatest(fact_date, received_date) as decided_date,
        decision,
        decided_by, by_received_date, by_source_file, by_source_line,
        case when is_validated then state end as state,
        case when is_validated then reason end as reason,
        last_attributed_date as attributed_date,
        is_validated and state = 'attributed' and last_attributed_date is not null and not has_ended as is_in_force
    from judged
)

select * from final
