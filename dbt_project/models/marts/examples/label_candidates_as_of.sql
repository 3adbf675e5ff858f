{{ config(parameters=['as_of', 'days := 7', 'candidates := 5000']) }}

-- Outputs that are worth a label, the most uncertain of each reason. Numbers come first: texts are read for these only.
with verdicts as (
    select * from {{ ref('output_verdicts_as_of') }}(as_of)
),

own as (
    select *
    from {{ ref('int_output_uncertainties') }}
    where received_date > as_of::date - greatest(days::integer, {{ var('attribution_window_days') }})
        and received_date <= as_of::date
),

undecided as (
    select
        coalesce(own.request_id, verdicts.request_id) as request_id,
        own.received_date, own.source_file, own.source_line,
        verdicts.feedback_id, coalesce(verdicts.attributed_date, own.received_date) as attributed_date,
        verdicts.judgement_count, verdicts.judgements,
        {%- for reason in label_reasons() %}
        {{ 'verdicts' if reason == 'rater_disagreement' else 'own' }}.{{ reason }},
        {%- endfor %}
        greatest({{ label_reasons() | join(', ') }}) as uncertainty
    from own
    full join verdicts on own.request_id = verdicts.request_id
    where verdicts.rater_disagreement > 0
        or (own.received_date > as_of::date - days::integer and not coalesce(verdicts.is_judged_by_people, false))
),

with_reason as (
    select
        *,
        case uncertainty
            {%- for reason in label_reasons() %}
            when {{ reason }} then '{{ reason }}'
            {%- endfor %}
        end as reason
    from undecided
),

-- To sort all of them by a hash would cost more than all else: only those that can be among the first are.
least as (
    select reason, list_min(max(uncertainty, greatest(candidates::integer, 1))) as least_uncertainty
    from with_reason
    group by reason
),

picked as (
    select with_reason.*
    from with_reason
    inner join least on with_reason.reason = least.reason and with_reason.uncertainty >= least.least_uncertainty
    qualify row_number() over (
        partition by with_reason.reason order by uncertainty desc, sha256(request_id), request_id
    ) <= candidates::integer
),

-- What was judged is in the warehouse, where few rows cost little; the others are in the files of the last days.
logged as (
    select
        picked.*, lines.input, lines.output, lines.propensity, lines.user_id, lines.session_id, lines.model_name,
        lines.model_version, lines.variant, lines.endpoint, lines.inference_at, lines.is_text_expired
    from picked
    inner join {{ ref('stg_inferences') }} as lines using (received_date, source_file, source_line)
    where picked.feedback_id is null
        and received_date > as_of::date - days::integer and received_date <= as_of::date
    union all by name
    select
        picked.*, pairs.input, pairs.output, pairs.propensity, pairs.user_id, pairs.session_id, pairs.model_name,
        pairs.model_version, pairs.variant, pairs.endpoint, pairs.inference_at, pairs.is_text_expired
    from picked
    inner join {{ ref('attributed_feedback') }} as pairs on picked.feedback_id = pairs.feedback_id
    where pairs.attributed_date <= as_of::date
),

final as (
    select
        logged.feedback_id, logged.request_id, logged.attributed_date, logged.reason, logged.uncertainty,
        {%- for reason in label_reasons() %}
        logged.{{ reason }},
        {%- endfor %}
        coalesce(logged.judgement_count, 0) as judgement_count, coalesce(logged.judgements, []) as judgements,
        coalesce(prompts.prompt, {{ chat_messages('logged.input') }}) as prompt,
        case when {{ said('logged.output') }} is not null then {{ one_message("'assistant'", said('logged.output')) }} end
            as completion,
        list_transform(json_extract(logged.output, '$.alternatives[*]'), lambda alternative: {{ said('alternative') }})
            as alternatives,
        {{ json_text('logged.input', '$.features') }} as features,
        logged.propensity, logged.user_id, logged.session_id, logged.model_name, logged.model_version, logged.variant,
        logged.endpoint, logged.inference_at, prompts.missing_turns
    from logged
    left join {{ ref('feedback_prompt_as_of') }}(as_of) as prompts on logged.feedback_id = prompts.feedback_id
    -- What is said of an older one would be outside the window of feedback.
    where not coalesce(logged.is_text_expired, false)
        and {{ plus_days('logged.inference_at', var('attribution_window_days')) }} > {{ end_of_day('as_of::date') }}
)

select * from final where completion is not null or len(alternatives) > 0
