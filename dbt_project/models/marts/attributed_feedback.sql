{{ config(partition_column='attributed_date') }}

with matches as (
    select * from {{ ref('int_feedback_matches') }}
    where state = 'attributed' and {{ in_window('attributed_date') }}
),

feedback as (
    select * from {{ ref('stg_feedback') }}
    where received_date between {{ window_start_less_attribution_window() }} and date '{{ var("window_to") }}'
),

inferences as (
    select * from {{ ref('stg_inferences') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_matches'), 'inference_received_date', in_window('attributed_date')) }}
    )
),

final as (
    select
        matches.feedback_id,
        matches.request_id,
        feedback.feedback_type,
        {{ reward('feedback') }} as reward,
        feedback.rating,
        feedback.rating_max,
        feedback.thumbs,
        feedback.corrected_output,
        feedback.preferred_output_idx,
        feedback.chosen_request_id,
        feedback.rejected_request_id,
        feedback.label,
        feedback.comment,
        feedback.signal,
        feedback.value,
        feedback.retracts,
        feedback.target_kind,
        feedback.target_id,
        feedback.source,
        matches.feedback_at,
        matches.feedback_received_date,
        matches.inference_at,
        matches.inference_received_date,
        matches.attributed_date,
        {{ seconds_between('matches.inference_at', 'matches.feedback_at') }} as lag_seconds,
        coalesce(feedback.user_id, inferences.user_id) as user_id,
        feedback.user_id as feedback_user_id,
        coalesce(inferences.session_id, feedback.session_id) as session_id,
        inferences.turn,
        inferences.model_name,
        inferences.model_version,
        inferences.variant,
        inferences.endpoint,
        inferences.params,
        inferences.input,
        {{ json_text('inferences.output', '$.text') }} as output_text,
        inferences.output,
        inferences.components,
        inferences.exposed,
        inferences.propensity,
        feedback.extras as feedback_extras,
        inferences.extras as inference_extras,
        matches.reason as matched_by,
        matches.feedback_source_file,
        matches.feedback_source_line,
        matches.inference_source_file,
        matches.inference_source_line
    from matches
    inner join feedback
        on matches.feedback_received_date = feedback.received_date
        and matches.feedback_source_file = feedback.source_file
        and matches.feedback_source_line = feedback.source_line
    inner join inferences
        on matches.request_id = inferences.request_id
        and matches.inference_received_date = inferences.received_date
        and matches.inference_source_file = inferences.source_file
        and matches.inference_source_line = inferences.source_line
)

select * from final
