{{ config(partition_column='received_date', window_from_var='status_from') }}

with receipts as (
    select * from {{ ref('int_feedback_receipts') }} where {{ in_window('received_date', 'status_from') }}
),

matches as (
    select * from {{ ref('int_feedback_matches') }}
    where {{ in_window('feedback_received_date', 'status_from') }} and paired_date <= date '{{ var("as_of") }}'
),

attributions as (
    select feedback_received_date, feedback_source_file, feedback_source_line, attributed_date
    from {{ ref('int_feedback_attributions') }}
    where {{ in_window('feedback_received_date', 'status_from') }} and attributed_date <= date '{{ var("as_of") }}'
),

decisions as (
    select
        feedback_id,
        max_by(decision, received_date) as decision,
        max(received_date) filter (where decision = 'accept') as accepted_date
    from {{ ref('int_review_decisions') }}
    where received_date <= date '{{ var("as_of") }}'
    group by feedback_id
),

-- What a rule flagged after the last time that a reviewer accepted it, or what nobody accepted.
flags as (
    select
        flags.feedback_received_date, flags.feedback_source_file, flags.feedback_source_line,
        min_by(flags.state, row(flags.priority, flags.rule)) as state,
        min_by(flags.reason, row(flags.priority, flags.rule)) as reason
    from {{ ref('int_feedback_flags') }} as flags
    left join decisions using (feedback_id)
    where {{ in_window('flags.feedback_received_date', 'status_from') }}
        and flags.flagged_date <= date '{{ var("as_of") }}'
        and (decisions.accepted_date is null or decisions.accepted_date < flags.flagged_date)
    group by all
),

dead_letters as (
    select
        feedback_id, request_id, 'dead_letter' as state, reason, received_date,
        null::date as attributed_date, source_file, source_line
    from {{ ref('stg_dead_letters') }}
    where stream = 'feedback' and {{ in_window('received_date', 'status_from') }}
),

read as (
    select
        receipts.*,
        matches.state as match_state,
        matches.reason as match_reason,
        matches.request_id as matched_request_id,
        attributions.attributed_date,
        flags.state as flag_state,
        flags.reason as flag_reason,
        decisions.decision,
        matches.state is null and {{ has_expired('receipts.received_date') }} as has_expired
    from receipts
    left join matches
        on receipts.received_date = matches.feedback_received_date
        and receipts.source_file = matches.feedback_source_file
        and receipts.source_line = matches.feedback_source_line
    left join attributions
        on receipts.received_date = attributions.feedback_received_date
        and receipts.source_file = attributions.feedback_source_file
        and receipts.source_line = attributions.feedback_source_line
    left join flags
        on receipts.received_date = flags.feedback_received_date
        and receipts.source_file = flags.feedback_source_file
        and receipts.source_line = flags.feedback_source_line
    left join decisions on receipts.feedback_id = decisions.feedback_id
),

judged as (
    select
        feedback_id,
        coalesce(matched_request_id, request_id) as request_id,
        case
            when state <> 'open' then state
            when match_state = 'invalid' or has_expired or decision = 'reject' then 'invalid'
            when flag_state is not null then flag_state
            when match_state is null then 'pending'
            else 'attributed'
        end as state,
        case
            when state <> 'open' then reason
            when match_state = 'invalid' then match_reason
            when has_expired then 'unknown_request'
            when decision = 'reject' then 'rejected_in_review'
            when flag_state is not null then flag_reason
            when match_state is null then 'awaiting_inference'
            else match_reason
        end as reason,
        received_date,
        attributed_date,
        source_file,
        source_line
    from read
)

select * from dead_letters
union all
select * from judged
