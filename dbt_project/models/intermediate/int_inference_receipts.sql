{{ config(partition_column='received_date') }}

with lines as (
    select
        request_id, session_id, turn, inference_at, user_id, model_version, variant,
        endpoint, exposed, received_date, source_file, source_line
    from {{ ref('stg_inferences') }}
    where {{ in_window('received_date') }}
),

numbered as (
    select
        *,
        row_number() over (
            partition by request_id order by received_date, source_file, source_line
        ) as receipt_number
    from lines
),

-- One line of a request_id is first, so that nothing repeats here. Only the window's ids are kept: the history is
-- read past them, and never held.
received_before as (
    {% if is_incremental() %}
    select request_id
    from {{ this }}
    where is_first and received_date < date '{{ var("window_from") }}'
        and request_id in (select request_id from lines)
    {% else %}
    select request_id from lines where false
    {% endif %}
),

final as (
    select
        numbered.* exclude (receipt_number),
        numbered.receipt_number = 1 and received_before.request_id is null as is_first
    from numbered
    left join received_before on numbered.request_id = received_before.request_id
)

select * from final
