{{ config(partition_column='received_date') }}

with receipts as (
    select feedback_id, received_date, source_file, source_line, state, reason
    from {{ ref('int_feedback_receipts') }}
    where {{ in_window('received_date') }}
),

-- A match, a flag or a review of a later day was not known at the day's end.
matches as (
    select feedback_received_date, feedback_source_file, feedback_source_line, state, reason
    from {{ ref('int_feedback_matches') }}
    where {{ in_window('paired_date') }} and paired_date = feedback_received_date
),

decisions as (
    select
        receipts.received_date, decisions.feedback_id,
        max_by(decisions.decision, decisions.received_date) as decision,
        max(decisions.received_date) filter (where decisions.decision = 'accept') as accepted_date
    from {{ ref('int_review_decisions') }} as decisions
    inner join receipts
        on decisions.feedback_id = receipts.feedback_id
        and decisions.received_date <= receipts.received_date
    group by all
),

flags as (
    select
        flags.feedback_received_date, flags.feedback_source_file, flags.feedback_source_line,
        min_by(flags.state, row(flags.priority, flags.rule)) as state,
        min_by(flags.reason, row(flags.priority, flags.rule)) as reason
    from {{ ref('int_feedback_flags') }} as flags
    left join decisions
        on flags.feedback_id = decisions.feedback_id
        and flags.feedback_received_date = decisions.received_date
    where {{ in_window('flags.flagged_date') }} and flags.flagged_date = flags.feedback_received_date
        and (decisions.accepted_date is null or decisions.accepted_date < flags.flagged_date)
    group by all
),

final as (
    select
        receipts.received_date, receipts.source_file, receipts.source_line,
        {{ state_and_reason('receipts', 'matches', 'flags', 'decisions.decision') }}
    from receipts
    left join matches
        on receipts.received_date = matches.feedback_received_date
        and receipts.source_file = matches.feedback_source_file
        and receipts.source_line = matches.feedback_source_line
    left join flags
        on receipts.received_date = flags.feedback_received_date
        and receipts.source_file = flags.feedback_source_file
        and receipts.source_line = flags.feedback_source_line
    left join decisions
        on receipts.feedback_id = decisions.feedback_id
        and receipts.received_date = decisions.received_date
)

select * from final
