{{ config(parameters='as_of') }}

-- What has been concluded of each output that may still get feedback: nobody is asked about an older one. A preference
-- between two requests says which is better, and not whether either is good.
with judgements as (
    select
        request_id, feedback_id, feedback_type, source, reward, attributed_date, label, corrected_output,
        {{ json_text('output', '$.label') }} as prediction
    from {{ ref('feedback_as_of') }}(as_of) as feedback
    where inference_received_date > as_of::date - {{ var('attribution_window_days') }}
        and (
            feedback_type in ('rating', 'thumbs', 'explicit_correction', 'label')
            or preferred_output_idx is not null
        )
        and {{ is_about_the_answer('feedback') }}
),

-- A correction says that the output was not right, and so does a class that is another one.
votes as (
    select
        request_id, source, 'is_good' as question,
        case
            when reward is not null then sign(reward)
            when prediction is not null then case when coalesce(label, corrected_output) = prediction then 1 else -1 end
            when corrected_output is not null then -1
        end::varchar as answer
    from judgements
    union all
    select
        request_id, source, 'class',
        coalesce(label, corrected_output, case when reward > 0 then prediction end)
    from judgements
    where prediction is not null
),

answers as (
    select
        request_id, question, answer, count(*) as votes, count(*) filter (where source = 'annotator') as annotator_votes
    from votes
    where answer is not null
    group by all
),

questions as (
    select
        request_id,
        max(votes) / sum(votes) as agreement,
        coalesce(max(annotator_votes) > 0 and count(*) filter (where is_annotators_choice) > 1, false) as splits_annotators
    from (
        select *, annotator_votes = max(annotator_votes) over (partition by request_id, question) as is_annotators_choice
        from answers
    )
    group by request_id, question
),

disputes as (
    select request_id, min(agreement) as agreement, bool_or(splits_annotators) as splits_annotators
    from questions
    group by request_id
),

outputs as (
    select
        request_id,
        max_by(feedback_id, (attributed_date, feedback_id)) as feedback_id,
        max(attributed_date) as attributed_date,
        count(*) as judgement_count,
        list(
            {'feedback_id': feedback_id, 'feedback_type': feedback_type, 'source': source, 'reward': reward}
            order by feedback_id
        ) as judgements,
        bool_or(coalesce(source, 'user') in ('user', 'annotator')) as is_judged_by_people,
        coalesce(bool_or(source = 'annotator'), false) as is_judged_by_annotators
    from judgements
    group by request_id
),

final as (
    select
        outputs.* exclude (is_judged_by_annotators),
        -- An annotator's word settles what others dispute, unless annotators are split themselves. Two sides of a dispute
        -- can not be more than even.
        case
            when disputes.splits_annotators then 1.0
            when not is_judged_by_annotators and disputes.agreement < 1
                then {{ as_uncertainty('least(1, 2 * (1 - disputes.agreement))') }}
        end as rater_disagreement
    from outputs
    left join disputes on outputs.request_id = disputes.request_id
)

select * from final
