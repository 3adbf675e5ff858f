{#
    Pairs as readers see them, whether they are attributed or wait for a reviewer: the columns of
    `attributed_feedback` that come from both events, and then `columns` of the pairs' own. The model has the pairs and
    the lines of both sides as `pairs`, `feedback` and `inferences`.
#}
{% macro described_pairs(columns) -%}
    select
        pairs.feedback_id,
        pairs.request_id,
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
        pairs.feedback_at,
        pairs.feedback_received_date,
        pairs.inference_at,
        pairs.inference_received_date,
        {{ seconds_between('pairs.inference_at', 'pairs.feedback_at') }} as lag_seconds,
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
        {{ schema_columns('feedback', 'inferences') }}
        coalesce(feedback.is_text_expired or inferences.is_text_expired, false) as is_text_expired,
        pairs.reason as matched_by,
        pairs.feedback_source_file,
        pairs.feedback_source_line,
        pairs.inference_source_file,
        pairs.inference_source_line,
        {% for column in columns -%}
        pairs.{{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from pairs
    inner join feedback
        on pairs.feedback_received_date = feedback.received_date
        and pairs.feedback_source_file = feedback.source_file
        and pairs.feedback_source_line = feedback.source_line
    inner join inferences
        on pairs.request_id = inferences.request_id
        and pairs.inference_received_date = inferences.received_date
        and pairs.inference_source_file = inferences.source_file
        and pairs.inference_source_line = inferences.source_line
{%- endmacro %}
