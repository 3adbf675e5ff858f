{{ config(parameters='as_of') }}

-- Who calls a chat API sends the whole conversation each time; who calls one that remembers sends what is new. Where the
-- answer's own messages hold an earlier answer they are the conversation, or else the session's turns come before them.
with turns as (
    select
        feedback_id, request_id, position, turn, is_answer, exposed, missing_turns_before, output_text, is_text_expired,
        {{ chat_messages('input') }} as messages
    from ({{ conversations(
        'as_of::date', only='not ' ~ is_on_session('attributions', 'reason'), last_turns=var('prompt_turns')
    ) }})
),

-- Of several attempts at a turn the last one is what the conversation went on with.
earlier as (
    select
        feedback_id,
        flatten(list(
            list_concat({{ new_messages('messages') }}, {{ one_message("'assistant'", 'output_text') }}) order by position
        )) as messages
    from (
        select * from turns
        where not is_answer and exposed is distinct from false and output_text is not null and len(messages) > 0
        qualify row_number() over (
            partition by feedback_id, coalesce(turn::varchar, request_id) order by position desc
        ) = 1
    )
    group by feedback_id
),

-- Without the texts of an earlier turn, since their lifetime is over, the conversation is another one.
incomplete as (
    select distinct feedback_id from turns
    where not is_answer and exposed is distinct from false and is_text_expired
),

missing as (
    select feedback_id, sum(missing_turns_before)::bigint as missing_turns from turns group by feedback_id
),

final as (
    select
        answers.feedback_id,
        answers.request_id,
        case
            when earlier.messages is null
                or list_contains(list_transform(answers.messages, lambda message: message.role), 'assistant')
                then answers.messages
            else list_concat(
                {{ messages_of('answers.messages', "['system', 'developer']") }},
                earlier.messages,
                {{ messages_of('answers.messages', "['system', 'developer']", keep=false) }}
            )
        end as prompt,
        missing.missing_turns
    from turns as answers
    left join earlier on answers.feedback_id = earlier.feedback_id
    left join missing on answers.feedback_id = missing.feedback_id
    left join incomplete on answers.feedback_id = incomplete.feedback_id
    where answers.is_answer and len(answers.messages) > 0
        and (
            incomplete.feedback_id is null
            or list_contains(list_transform(answers.messages, lambda message: message.role), 'assistant')
        )
)

select * from final
