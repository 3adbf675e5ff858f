{{ config(parameters='as_of') }}

-- What people said of one answer, together. Feedback on a chunk, a component or a whole session is about something else.
with judgements as (
    select feedback.*
    from {{ ref('feedback_as_of') }}(as_of) as feedback
    where feedback.reward is not null and feedback.output_text is not null
        and {{ is_about_the_answer('feedback') }}
),

outputs as (
    select
        request_id,
        -- The newest judgement stands for all: the row belongs to its partition.
        max_by(feedback_id, (attributed_date, feedback_id)) as feedback_id,
        max(attributed_date) as attributed_date,
        sum(reward order by feedback_id) / count(*) as reward,
        count(*) as judgement_count,
        count(distinct coalesce(feedback_user_id, feedback_id)) as annotator_count,
        greatest(count(*) filter (where reward > 0), count(*) filter (where reward < 0), count(*) filter (where reward = 0))
            / count(*) as agreement,
        list(
            {'feedback_id': feedback_id, 'feedback_type': feedback_type, 'source': source, 'reward': reward}
            order by feedback_id
        ) as judgements
    from judgements
    group by request_id
),

final as (
    select
        outputs.*,
        judgements.output_text, judgements.user_id, judgements.session_id, judgements.model_name,
        judgements.model_version, judgements.variant, judgements.endpoint, judgements.propensity, judgements.inference_at
    from outputs
    inner join judgements on outputs.feedback_id = judgements.feedback_id
)

select * from final
