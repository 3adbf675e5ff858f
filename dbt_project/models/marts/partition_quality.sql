{{ config(partition_column='partition_date') }}

with days as (
    select received_date as partition_date from {{ ledger_days('feedback') }}
    where {{ in_window('received_date') }}
),

feedback_lines as (
    select received_date as partition_date, count(*) as lines, count(dead_letter_reason) as dead_letters
    from {{ source('ledger', 'feedback') }}
    where {{ in_window('received_date') }} and not {{ is_erased() }}
    group by received_date
),

feedback_counts as (
    select
        received_date as partition_date,
        {% for state in states() -%}
        count(*) filter (where state = '{{ state }}') as {{ state }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_day_end_states') }}
    where {{ in_window('received_date') }}
    group by received_date
),

inference_lines as (
    select received_date as partition_date, count(*) as lines, count(dead_letter_reason) as unreadable
    from {{ source('ledger', 'inferences') }}
    where {{ in_window('received_date') }} and not {{ is_erased() }}
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
