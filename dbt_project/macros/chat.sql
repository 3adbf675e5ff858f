{#
    Texts as chat messages, LIST(STRUCT(role, content)): what trainers and chat APIs take.
#}

{# What a model was given: its messages, or else its prompt as a user's; the system prompt goes first where they hold none. #}
{% macro chat_messages(input) -%}
    {{ return(adapter.dispatch('chat_messages')(input)) }}
{%- endmacro %}

{% macro default__chat_messages(input) -%}
    {%- set system_prompt = "nullif(json_extract_string(" ~ input ~ ", '$.system_prompt'), '')" -%}
    {%- set messages -%}
        coalesce(
            nullif(list_transform(json_extract({{ input }}, '$.messages[*]'), lambda message: {
                'role': json_extract_string(message, '$.role'),
                -- Content may be parts, of which the texts count.
                'content': case
                    when json_type(message, '$.content') = 'ARRAY'
                        then array_to_string(json_extract_string(message, '$.content[*].text'), '')
                    else json_extract_string(message, '$.content')
                end
            }), []),
            case
                when json_extract_string({{ input }}, '$.prompt') is not null
                    then {{ one_message("'user'", "json_extract_string(" ~ input ~ ", '$.prompt')") }}
            end
        )
    {%- endset -%}
    case
        when {{ system_prompt }} is not null and not coalesce(list_has_any(
            list_transform({{ messages }}, lambda message: message.role), ['system', 'developer']
        ), false)
            then list_concat({{ one_message("'system'", system_prompt) }}, {{ messages }})
        else {{ messages }}
    end
{%- endmacro %}

{# One message as a list. #}
{% macro one_message(role, content) -%}
    {{ return(adapter.dispatch('one_message')(role, content)) }}
{%- endmacro %}

{% macro default__one_message(role, content) -%}
    [{'role': {{ role }}, 'content': {{ content }}}]
{%- endmacro %}

{# Those messages that a role said, or that none of `roles` did. #}
{% macro messages_of(messages, roles, keep=true) -%}
    list_filter({{ messages }}, lambda message: {{ '' if keep else 'not ' }}list_contains({{ roles }}, message.role))
{%- endmacro %}

{# The messages after the last answer among them, without the system's: what was new in a turn. #}
{% macro new_messages(messages) -%}
    {{ messages_of(
        messages ~ "[coalesce(len(" ~ messages ~ ") - list_position(list_reverse(list_transform(" ~ messages
        ~ ", lambda message: message.role)), 'assistant') + 2, 1):]",
        "['system', 'developer']", keep=false
    ) }}
{%- endmacro %}

{# Texts of an output's alternatives, which are texts or objects with one. #}
{% macro alternative_texts(output) -%}
    list_transform(json_extract({{ output }}, '$.alternatives[*]'), lambda alternative:
        case
            when json_type(alternative) = 'OBJECT' then json_extract_string(alternative, '$.text')
            else json_extract_string(alternative, '$')
        end
    )
{%- endmacro %}
