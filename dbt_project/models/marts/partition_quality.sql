{{ config(partition_column='partition_date') }}

with days as (
    select received_date as partition_date from {{ ledger_days('feedback') }}
    where {{ in_window('received_date') }}
),

feedback_lines as (
    select received_date as partition_date, count(*) as lines, count(dead_letter_reason) as dead_letters
    from {{ source('ledger', 'feedback') }}
    where {{ in_window('received_date') }}
    group by received_date
),

-- What reviewers had decided about the day's own feedback by its end.
decisions as (
    select
        receipts.received_date as partition_date, decisions.feedback_id,
        max_by(decisions.decision, decisions.received_date) as decision,
        max(decisions.received_date) filter (where decisions.decision = 'accept') as accepted_date
    from {{ ref('int_review_decisions') }} as decisions
    inner join {{ ref('int_feedback_receipts') }} as receipts
        on decisions.feedback_id = receipts.feedback_id
        and decisions.received_date <= receipts.received_date
    where {{ in_window('receipts.received_date') }}
    group by all
),

flags as (
    select
        flags.feedback_received_date as received_date, flags.feedback_source_file as source_file,
        flags.feedback_source_line as source_line,
        min_by(flags.state, row(flags.priority, flags.rule)) as state
    from {{ ref('int_feedback_flags') }} as flags
    left join decisions
        on flags.feedback_id = decisions.feedback_id
        and flags.feedback_received_date = decisions.partition_date
    where {{ in_window('flags.flagged_date') }} and flags.flagged_date = flags.feedback_received_date
        and (decisions.accepted_date is null or decisions.accepted_date < flags.flagged_date)
    group by all
),

-- What was known of the day's own feedback at the day's end: a match, a flag or a review of a later day is not.
feedback_states as (
    select
        receipts.received_date as partition_date,
        case
            when receipts.state <> 'open' then receipts.state
            when matches.state = 'invalid' or decisions.decision = 'reject' then 'invalid'
            when flags.state is not null then flags.state
            when matches.state is null then 'pending'
            else 'attributed'
        end as state,
        count(*) as lines
    from {{ ref('int_feedback_receipts') }} as receipts
    left join {{ ref('int_feedback_matches') }} as matches
        on receipts.received_date = matches.feedback_received_date
        and receipts.source_file = matches.feedback_source_file
        and receipts.source_line = matches.feedback_source_line
        and matches.paired_date = receipts.received_date
    left join flags
        on receipts.received_date = flags.received_date
        and receipts.source_file = flags.source_file
        and receipts.source_line = flags.source_line
    left join decisions
        on receipts.feedback_id = decisions.feedback_id
        and receipts.received_date = decisions.partition_date
    where {{ in_window('receipts.received_date') }}
    group by all
),

feedback_counts as (
    select
        partition_date,
        {% for state in states() -%}
        coalesce(sum(lines) filter (where state = '{{ state }}'), 0)::bigint as {{ state }}{{ ',' if not loop.last }}
        {% endfor %}
    from feedback_states
    group by partition_date
),

inference_lines as (
    select received_date as partition_date, count(*) as lines, count(dead_letter_reason) as unreadable
    from {{ source('ledger', 'inferences') }}
    where {{ in_window('received_date') }}
    group by received_date
),

inference_repeats as (
    select received_date as partition_date, count(*) as repeats
    from {{ ref('int_inference_receipts') }}
    where not is_first and {{ in_window('received_date') }}
    group by received_date
),

inference_conflicts as (
    select received_date as partition_date, count(*) as conflicts
    from {{ ref('int_inference_conflicts') }}
    where {{ in_window('received_date') }}
    group by received_date
),

counted as (
    select
        days.partition_date,
        coalesce(feedback_lines.lines, 0) as feedback_lines,
        coalesce(feedback_lines.dead_letters, 0) as feedback_dead_letters,
        coalesce(feedback_counts.duplicate, 0) as feedback_duplicates,
        coalesce(feedback_counts.invalid, 0) as feedback_invalid,
        coalesce(feedback_counts.requires_human_review, 0) as feedback_requires_human_review,
        coalesce(feedback_counts.attributed, 0) as feedback_attributed,
        coalesce(inference_lines.lines, 0) as inference_lines,
        coalesce(inference_lines.unreadable, 0) + coalesce(inference_conflicts.conflicts, 0)
            as inference_dead_letters,
        coalesce(inference_repeats.repeats, 0) - coalesce(inference_conflicts.conflicts, 0)
            as inference_duplicates
    from days
    left join feedback_lines using (partition_date)
    left join feedback_counts using (partition_date)
    left join inference_lines using (partition_date)
    left join inference_repeats using (partition_date)
    left join inference_conflicts using (partition_date)
)

select
    *,
    feedback_lines - feedback_dead_letters - feedback_duplicates - feedback_invalid
        - feedback_requires_human_review - feedback_attributed as feedback_pending
from counted
