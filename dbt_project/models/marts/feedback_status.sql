{{ config(partition_column='received_date', window_from_var='status_from') }}

with receipts as (
    select * from {{ ref('int_feedback_receipts') }} where {{ in_window('received_date', 'status_from') }}
),

matches as (
    select * from {{ ref('int_feedback_matches') }} where attributed_date >= date '{{ var("status_from") }}'
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
        receipts.feedback_id,
        coalesce(matches.request_id, receipts.request_id) as request_id,
        case
            when receipts.state <> 'open' then receipts.state
            when matches.state is not null then matches.state
            when {{ has_expired('receipts.received_date') }} then 'invalid'
            else 'pending'
        end as state,
        case
            when receipts.state <> 'open' then receipts.reason
            when matches.state is not null then matches.reason
            when {{ has_expired('receipts.received_date') }} then 'unknown_request'
            else 'awaiting_inference'
        end as reason,
        receipts.received_date,
        case when matches.state = 'attributed' then matches.attributed_date end as attributed_date,
        receipts.source_file,
        receipts.source_line
    from receipts
    left join matches
        on receipts.received_date = matches.feedback_received_date
        and receipts.source_file = matches.feedback_source_file
        and receipts.source_line = matches.feedback_source_line
)

select * from dead_letters
union all
select * from read
