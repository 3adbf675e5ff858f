{{ config(partition_column='paired_date') }}

with candidates as (
    select * from {{ ref('int_feedback_candidates') }} where {{ in_window('paired_date') }}
),

feedback as (
    select
        received_date as feedback_received_date, source_file as feedback_source_file,
        source_line as feedback_source_line, feedback_type, reward, preferred_output_idx, target_kind, target_id,
        signal, user_id, source, model_version, retracts
    from {{ ref('int_feedback_receipts') }}
    where received_date between {{ window_start_less_attribution_window() }} and date '{{ var("window_to") }}'
),

described as (
    select
        candidates.*,
        feedback.* exclude (feedback_received_date, feedback_source_file, feedback_source_line),
        -- Whose statement it is: who gave it, or where only a user can have, who asked.
        coalesce(
            feedback.user_id, case when coalesce(feedback.source, 'user') = 'user' then candidates.inference_user_id end
        ) as author_id
    from candidates
    left join feedback using (feedback_received_date, feedback_source_file, feedback_source_line)
),

-- Only feedback on a part needs the inference's content, which is dear to read.
on_a_part as (
    select * from described
    where preferred_output_idx is not null or target_kind in ('chunk', 'component')
),

parts as (
    select * from {{ ref('stg_inference_parts') }}
    where received_date in ({{ hit_days(ref('int_feedback_candidates'), 'inference_received_date', in_window('paired_date')) }})
        and request_id in (select request_id from on_a_part)
),

without_their_part as (
    select on_a_part.feedback_received_date, on_a_part.feedback_source_file, on_a_part.feedback_source_line
    from on_a_part
    inner join parts
        on on_a_part.inference_received_date = parts.received_date
        and on_a_part.inference_source_file = parts.source_file
        and on_a_part.inference_source_line = parts.source_line
    where
        -- Where no alternatives were logged there is nothing to check the index against.
        (parts.alternatives > 0 and on_a_part.preferred_output_idx >= parts.alternatives)
        or (
            on_a_part.target_kind = 'chunk'
            and not coalesce(list_contains(parts.chunk_ids, on_a_part.target_id), false)
        )
        or (
            on_a_part.target_kind = 'component'
            and not coalesce(list_contains(parts.component_names, on_a_part.target_id), false)
        )
),

judged as (
    select
        described.*,
        coalesce(
            {{ broken_time_rule('feedback_at', 'inference_at') }},
            case when without_their_part.feedback_source_line is not null then 'unknown_target' end
        ) as broken_rule
    from described
    left join without_their_part using (feedback_received_date, feedback_source_file, feedback_source_line)
),

final as (
    select
        * exclude (broken_rule, matched_by),
        case when broken_rule is null then 'sound' else 'invalid' end as state,
        coalesce(broken_rule, matched_by) as reason
    from judged
)

select * from final
