{{ config(partition_column='effective_date') }}

-- What came after an attribution and bears on it: it does not touch the attributed row, and a reader asks for
-- the last standing as of a partition.
with touched as (
    select feedback_id from {{ ref('int_review_decisions') }} where {{ in_window('received_date') }}
    union
    select feedback_id from {{ ref('int_feedback_flags') }} where {{ in_window('flagged_date') }}
),

attributed as (
    select feedback_id, feedback_received_date, feedback_source_file, feedback_source_line, attributed_date
    from {{ ref('int_feedback_attributions') }}
    where attributed_date <= date '{{ var("window_to") }}'
        and feedback_id in (select feedback_id from touched)
),

decisions as (
    select attributed.feedback_id, decisions.received_date as effective_date, decisions.decision
    from {{ ref('int_review_decisions') }} as decisions
    inner join attributed using (feedback_id)
    where {{ in_window('decisions.received_date') }} and decisions.received_date > attributed.attributed_date
),

flags as (
    select
        flags.feedback_id, flags.flagged_date as effective_date,
        min_by(flags.reason, row(flags.priority, flags.rule)) as reason
    from {{ ref('int_feedback_flags') }} as flags
    inner join attributed
        using (feedback_received_date, feedback_source_file, feedback_source_line)
    where {{ in_window('flags.flagged_date') }} and flags.flagged_date > attributed.attributed_date
    group by flags.feedback_id, flags.flagged_date
),

-- A rejection stays one, whatever rule flags the feedback after it.
last_decisions as (
    select
        flags.feedback_id, flags.effective_date,
        max_by(decisions.decision, decisions.received_date) as decision
    from flags
    inner join {{ ref('int_review_decisions') }} as decisions
        on flags.feedback_id = decisions.feedback_id and decisions.received_date <= flags.effective_date
    group by flags.feedback_id, flags.effective_date
),

final as (
    select
        feedback_id,
        case
            when decisions.decision = 'reject' or last_decisions.decision = 'reject' then 'rejected'
            when decisions.decision = 'accept' then 'in_force'
            else 'contested'
        end as standing,
        case
            when decisions.decision = 'reject' or last_decisions.decision = 'reject' then 'rejected_in_review'
            when decisions.decision = 'accept' then 'accepted_in_review'
            else flags.reason
        end as reason,
        effective_date
    from decisions
    full join flags using (feedback_id, effective_date)
    left join last_decisions using (feedback_id, effective_date)
)

select * from final
