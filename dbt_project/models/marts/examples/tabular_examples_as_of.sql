{{ config(parameters='as_of') }}

with feedback as (
    select
        *, {{ json_text('input', '$.features') }} as features, {{ json_text('output', '$.label') }} as prediction,
        try_cast({{ json_text('output', '$.score') }} as double) as score
    from {{ ref('feedback_as_of') }}(as_of)
    where json_extract(input, '$.features') is not null and coalesce(target_kind, 'output') in ('output', 'turn')
),

-- The right class as it was given, or else the predicted one where it was praised.
labelled as (
    select
        *,
        coalesce(label, corrected_output, case when reward > 0 then prediction end) as truth,
        case
            when label is not null then 'label' when corrected_output is not null then 'correction'
            when reward > 0 then 'praised_prediction'
        end as labelled_by
    from feedback
),

votes as (
    select
        request_id, truth, count(*) as votes,
        sum(count(*)) over (partition by request_id)::bigint as of_votes,
        max(count(*)) over (partition by request_id) as most_votes
    from labelled
    where truth is not null
    group by request_id, truth
),

-- Where two classes have as many votes, nobody knows.
chosen as (
    select
        request_id, max(truth) as truth, max(votes) / max(of_votes) as agreement, max(of_votes) as annotator_count
    from votes
    where votes = most_votes
    group by request_id
    having count(*) = 1
),

newest as (
    select
        request_id, max_by(feedback_id, (attributed_date, feedback_id)) as feedback_id,
        list({'feedback_id': feedback_id, 'label': truth, 'labelled_by': labelled_by} order by feedback_id) as judgements
    from labelled
    where truth is not null
    group by request_id
),

explained as (
    select
        attributed_date, request_id,
        list({'feature': feature, 'value': feature_value, 'shap_value': shap_value} order by feature)
            as feature_attributions
    from {{ ref('feature_attributions') }}
    where feature is not null and attributed_date <= as_of::date
    group by attributed_date, request_id
),

final as (
    select
        labelled.feedback_id, labelled.request_id, labelled.attributed_date, labelled.features,
        chosen.truth as label, labelled.prediction, labelled.score,
        explained.feature_attributions, chosen.annotator_count, chosen.agreement, newest.judgements,
        chosen.agreement as sample_weight,
        labelled.propensity, labelled.user_id, labelled.session_id, labelled.model_name, labelled.model_version,
        labelled.variant, labelled.endpoint, labelled.inference_at
    from labelled
    inner join newest on labelled.feedback_id = newest.feedback_id
    inner join chosen on labelled.request_id = chosen.request_id
    left join explained
        on labelled.attributed_date = explained.attributed_date and labelled.request_id = explained.request_id
)

select * from final
