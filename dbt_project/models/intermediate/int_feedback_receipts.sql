{{ config(partition_column='received_date') }}

with findings as (
    {{ text_findings('int_feedback_receipts', {
        'received_date': 'DATE', 'source_file': 'VARCHAR', 'source_line': 'BIGINT',
        'text_length': 'BIGINT', 'text_fingerprint': 'UBIGINT',
    }) }}
),

lines as (
    select
        feedback_id, request_id, session_id, feedback_type, feedback_at, rating, rating_max,
        preferred_output_idx, target_kind, target_id, signal, user_id, source, model_version, variant, retracts,
        has_timestamp, {{ reward('feedback') }} as reward,
        coalesce(
            length({{ normalized_text('coalesce(corrected_output, comment)') }}), findings.text_length
        ) as text_length,
        coalesce(
            {{ text_fingerprint('coalesce(corrected_output, comment)') }}, findings.text_fingerprint
        ) as text_fingerprint,
        received_date, source_file, source_line
    from {{ ref('stg_feedback') }} as feedback
    left join findings using (received_date, source_file, source_line)
    where {{ in_window('received_date') }}
),

numbered as (
    select
        *,
        row_number() over (
            partition by feedback_id order by received_date, source_file, source_line
        ) as receipt_number
    from lines
),

-- One line of a feedback_id is no duplicate, so that nothing repeats here. Only the window's ids are kept: the
-- history is read past them, and never held.
received_before as (
    {% if is_incremental() %}
    select feedback_id
    from {{ this }}
    where state <> 'duplicate' and received_date < date '{{ var("window_from") }}'
        and feedback_id in (select feedback_id from lines)
    {% else %}
    select feedback_id from lines where false
    {% endif %}
),

judged as (
    select
        numbered.* exclude (receipt_number),
        case
            when numbered.receipt_number > 1 or received_before.feedback_id is not null
                then 'duplicate_feedback_id'
            when feedback_at > {{ plus_days(end_of_day('received_date'), var('future_tolerance_days')) }}
                then 'timestamp_in_future'
            when rating < 0 or rating > coalesce(rating_max, 5) or rating_max <= 0 or preferred_output_idx < 0
                then 'value_out_of_range'
        end as reason
    from numbered
    left join received_before on numbered.feedback_id = received_before.feedback_id
),

final as (
    select
        *,
        case
            when reason = 'duplicate_feedback_id' then 'duplicate'
            when reason is not null then 'invalid'
            else 'open'
        end as state
    from judged
)

select * from final
