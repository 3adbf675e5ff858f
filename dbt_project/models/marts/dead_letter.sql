{{ config(partition_column='received_date') }}

with unreadable as (
    select stream, received_date, source_file, source_line, reason, detail, raw
    from {{ ref('stg_dead_letters') }}
    where {{ in_window('received_date') }}
),

conflicting as (
    select
        'inferences' as stream, received_date, source_file, source_line, 'conflicting_request_id' as reason,
        'request_id ' || request_id || ' came before with another content' as detail, raw
    from {{ ref('int_inference_conflicts') }}
    where {{ in_window('received_date') }}
)

select * from unreadable
union all
select * from conflicting
