{{ config(parameters='as_of') }}

with feedback as (
    select * from {{ ref('feedback_as_of') }}(as_of)
),

corrections as (
    select
        feedback_id, request_id, attributed_date, 'correction' as kind, corrected_output as answer, 1.0 as sample_weight,
        1 as annotator_count, user_id, session_id, model_name, model_version, variant, endpoint, propensity, inference_at
    from feedback
    where corrected_output is not null and trim(corrected_output) <> ''
        and {{ is_about_the_answer('feedback') }}
),

-- An answer that all who judged it praised, and that nobody corrected, shows how to answer.
demonstrations as (
    select
        feedback_id, request_id, attributed_date, 'demonstration' as kind, output_text as answer,
        reward as sample_weight, annotator_count, user_id, session_id, model_name, model_version, variant, endpoint,
        propensity, inference_at
    from {{ ref('judged_outputs_as_of') }}(as_of)
    where reward > 0 and agreement = 1
        and request_id not in (select request_id from corrections)
        -- That somebody corrected it is known longer than what they wrote.
        and request_id not in (
            select request_id from feedback where feedback_type = 'explicit_correction' and is_text_expired
        )
),

examples as (
    select * from corrections
    union all
    select * from demonstrations
),

final as (
    select
        examples.* exclude (answer),
        list_concat(prompts.prompt, {{ one_message("'assistant'", 'examples.answer') }}) as messages,
        prompts.missing_turns
    from examples
    inner join {{ ref('feedback_prompt_as_of') }}(as_of) as prompts on examples.feedback_id = prompts.feedback_id
)

select * from final
