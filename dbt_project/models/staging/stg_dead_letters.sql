with inference_lines as (
    select 'inferences' as stream, received_date, source_file, source_line, request_id,
        null::varchar as feedback_id, dead_letter_reason as reason, dead_letter_detail as detail, raw
    from {{ source('ledger', 'inferences') }}
    where {{ is_dead_letter() }}
),

feedback_lines as (
    select 'feedback' as stream, received_date, source_file, source_line, request_id,
        feedback_id, dead_letter_reason as reason, dead_letter_detail as detail, raw
    from {{ source('ledger', 'feedback') }}
    where {{ is_dead_letter() }}
),

review_lines as (
    select 'reviews' as stream, received_date, source_file, source_line, null::varchar as request_id,
        feedback_id, dead_letter_reason as reason, dead_letter_detail as detail, raw
    from {{ source('ledger', 'reviews') }}
    where {{ is_dead_letter() }}
)

select * from inference_lines
union all
select * from feedback_lines
union all
select * from review_lines
