{{ config(parameters='as_of') }}

with feedback as (
    select * from {{ ref('feedback_as_of') }}(as_of)
),

-- The row belongs to the newest feedback that says anything of the answer's chunks.
newest as (
    select
        request_id,
        max_by(feedback_id, (attributed_date, feedback_id)) as feedback_id,
        max(attributed_date) as attributed_date
    from ({{ held(ref('chunk_credit'), 'as_of::date') }})
    group by request_id
),

answers as (
    select
        newest.*, feedback.input, feedback.propensity, feedback.user_id, feedback.session_id, feedback.model_name,
        feedback.model_version, feedback.variant, feedback.endpoint, feedback.inference_at,
        {{ chat_messages('feedback.input') }} as messages
    from newest
    inner join feedback on newest.feedback_id = feedback.feedback_id
),

chunks as (
    select
        request_id,
        unnest(json_extract(input, '$.retrieved[*]')) as chunk
    from answers
),

texts as (
    select
        request_id, {{ json_text('chunk', '$.chunk_id') }} as chunk_id, {{ json_text('chunk', '$.document_id') }} as document_id,
        {{ json_text('chunk', '$.index_version') }} as index_version, max({{ json_text('chunk', '$.text') }}) as text
    from chunks
    group by all
),

judged as (
    select
        judgements.request_id,
        {%- for side, sign in {'positives': '>', 'negatives': '<'}.items() %}
        coalesce(list(
            {
                'chunk_id': judgements.chunk_id, 'document_id': judgements.document_id,
                'index_version': judgements.index_version, 'text': texts.text, 'credit': judgements.credit,
                'judged_by': judgements.judged_by
            } order by abs(judgements.credit) desc, judgements.chunk_id
        ) filter (where judgements.credit {{ sign }} 0), []) as {{ side }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('chunk_judgement_as_of') }}(as_of) as judgements
    left join texts
        on judgements.request_id = texts.request_id
        and judgements.chunk_id is not distinct from texts.chunk_id
        and judgements.document_id is not distinct from texts.document_id
        and judgements.index_version is not distinct from texts.index_version
    group by judgements.request_id
),

final as (
    select
        answers.feedback_id, answers.request_id, answers.attributed_date,
        {{ messages_of('answers.messages', "['user']") }}[-1].content as query,
        judged.positives, judged.negatives, 1.0::double as sample_weight,
        answers.propensity, answers.user_id, answers.session_id, answers.model_name, answers.model_version,
        answers.variant, answers.endpoint, answers.inference_at
    from answers
    inner join judged on answers.request_id = judged.request_id
    where len(judged.positives) + len(judged.negatives) > 0
)

select * from final where query is not null
