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

-- What was known of the day's own feedback at the day's end: a match of a later day is not.
feedback_states as (
    select
        receipts.received_date as partition_date,
        count(*) filter (where receipts.state = 'duplicate') as duplicates,
        count(*) filter (where receipts.state = 'invalid' or matches.state = 'invalid') as invalid,
        count(*) filter (where matches.state = 'attributed') as attributed
    from {{ ref('int_feedback_receipts') }} as receipts
    left join {{ ref('int_feedback_matches') }} as matches
        on receipts.received_date = matches.feedback_received_date
        and receipts.source_file = matches.feedback_source_file
        and receipts.source_line = matches.feedback_source_line
        and matches.attributed_date = receipts.received_date
    where {{ in_window('receipts.received_date') }}
    group by receipts.received_date
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
        coalesce(feedback_states.duplicates, 0) as feedback_duplicates,
        coalesce(feedback_states.invalid, 0) as feedback_invalid,
        0::bigint as feedback_requires_human_review,
        coalesce(feedback_states.attributed, 0) as feedback_attributed,
        coalesce(inference_lines.lines, 0) as inference_lines,
        coalesce(inference_lines.unreadable, 0) + coalesce(inference_conflicts.conflicts, 0)
            as inference_dead_letters,
        coalesce(inference_repeats.repeats, 0) - coalesce(inference_conflicts.conflicts, 0)
            as inference_duplicates
    from days
    left join feedback_lines using (partition_date)
    left join feedback_states using (partition_date)
    left join inference_lines using (partition_date)
    left join inference_repeats using (partition_date)
    left join inference_conflicts using (partition_date)
)

select
    *,
    feedback_lines - feedback_dead_letters - feedback_duplicates - feedback_invalid
        - feedback_requires_human_review - feedback_attributed as feedback_pending
from counted
