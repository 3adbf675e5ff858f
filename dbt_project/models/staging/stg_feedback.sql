with lines as (
    select * from {{ source('ledger', 'feedback') }}
),

sound as (
    select * exclude (dead_letter_reason, dead_letter_detail, raw, target, feedback_at),
        {{ is_text_expired() }} as is_text_expired,
        -- No time counts as the end of the received date: the latest moment at which it can have been given.
        feedback_at is not null as has_timestamp,
        coalesce(feedback_at, {{ end_of_day('received_date') }} - interval '1 microsecond') as feedback_at,
        {{ json_text('target', '$.kind') }} as target_kind,
        {{ json_text('target', '$.id') }} as target_id
    from lines
    where dead_letter_reason is null
)

select * from sound
