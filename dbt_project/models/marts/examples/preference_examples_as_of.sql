{{ config(parameters='as_of') }}

with feedback as (
    select * from {{ ref('feedback_as_of') }}(as_of) as feedback where {{ is_about_the_answer('feedback') }}
),

prompts as (
    select * from {{ ref('feedback_prompt_as_of') }}(as_of)
),

corrections as (
    select
        feedback_id, feedback_id as other_feedback_id, request_id, request_id as rejected_request_id, 0 as position,
        'correction' as kind, corrected_output as chosen, output_text as rejected, attributed_date
    from feedback
    where corrected_output is not null
),

alternatives as (
    select
        feedback_id, request_id, attributed_date, preferred_output_idx, {{ alternative_texts('output') }} as texts
    from feedback
    where preferred_output_idx is not null
),

among_alternatives as (
    select
        feedback_id, feedback_id, request_id, request_id, generate_subscripts as position,
        'preference', texts[preferred_output_idx + 1], texts[generate_subscripts], attributed_date
    from (select *, generate_subscripts(texts, 1) as generate_subscripts from alternatives)
    where generate_subscripts <> preferred_output_idx + 1
),

sides as (
    select *, {{ chat_messages('input') }} as messages
    from {{ ref('preference_sides') }}
    where known_date <= as_of::date and broken_rule is null
),

-- Two requests are compared only where both were asked the same.
across_requests as (
    select
        feedback.feedback_id, feedback.feedback_id, chosen.request_id, rejected.request_id, 0,
        'preference', chosen.output_text, rejected.output_text,
        greatest(feedback.attributed_date, chosen.known_date, rejected.known_date)
    from feedback
    inner join sides as chosen on feedback.feedback_id = chosen.feedback_id and chosen.side = 'chosen'
    inner join sides as rejected on feedback.feedback_id = rejected.feedback_id and rejected.side = 'rejected'
    where chosen.messages = rejected.messages and chosen.request_id <> rejected.request_id
),

-- The first praised answer to a prompt goes with the first blamed one, the second with the second: no answer is in two
-- pairs, or else one popular prompt would own the set.
judged as (
    select
        judged.*, prompts.prompt, judged.reward > 0 as is_praised,
        row_number() over (
            partition by prompts.prompt, judged.reward > 0 order by judged.inference_at, judged.request_id
        ) as place
    from {{ ref('judged_outputs_as_of') }}(as_of) as judged
    inner join prompts on judged.feedback_id = prompts.feedback_id
    where judged.reward <> 0 and judged.agreement = 1
),

same_prompt as (
    select
        praised.feedback_id, blamed.feedback_id, praised.request_id, blamed.request_id, 0,
        'same_prompt', praised.output_text, blamed.output_text,
        greatest(praised.attributed_date, blamed.attributed_date)
    from judged as praised
    inner join judged as blamed
        on praised.prompt = blamed.prompt and praised.place = blamed.place
        and praised.is_praised and not blamed.is_praised
),

pairs as (
    select * from corrections
    union all
    select * from among_alternatives
    union all
    select * from across_requests
    union all
    select * from same_prompt
),

final as (
    select
        pairs.feedback_id, pairs.other_feedback_id, pairs.request_id, pairs.rejected_request_id, pairs.position,
        pairs.kind, prompts.prompt,
        {{ one_message("'assistant'", 'pairs.chosen') }} as chosen,
        {{ one_message("'assistant'", 'pairs.rejected') }} as rejected,
        1.0::double as sample_weight,
        about.propensity, about.user_id, about.session_id, about.model_name, about.model_version, about.variant,
        about.endpoint, about.inference_at, prompts.missing_turns, pairs.attributed_date
    from pairs
    inner join prompts on pairs.feedback_id = prompts.feedback_id
    -- What was judged is feedback on an answer, too.
    inner join feedback as about on pairs.feedback_id = about.feedback_id
    -- What reads the same teaches nothing, and nobody should learn to say nothing.
    where not {{ same_text('pairs.chosen', 'pairs.rejected') }} and trim(pairs.chosen) <> ''
)

select * from final
