{{ config(parameters='as_of') }}

select
    judged.feedback_id, judged.request_id, judged.attributed_date,
    prompts.prompt, {{ one_message("'assistant'", 'judged.output_text') }} as completion,
    judged.reward, judged.judgement_count, judged.annotator_count, judged.agreement, judged.judgements,
    -- The more they agree, the more the mean says.
    judged.agreement as sample_weight,
    judged.propensity, judged.user_id, judged.session_id, judged.model_name, judged.model_version, judged.variant,
    judged.endpoint, judged.inference_at, prompts.missing_turns
from {{ ref('judged_outputs_as_of') }}(as_of) as judged
inner join {{ ref('feedback_prompt_as_of') }}(as_of) as prompts on judged.feedback_id = prompts.feedback_id
