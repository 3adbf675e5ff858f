{# How uncertain an output is, from 0 to 1: rounded, so that machines whose exponentials differ in the last digit agree. #}
{% macro as_uncertainty(value) -%}
    round({{ value }}, 6)
{%- endmacro %}

{#
    The log probabilities of an output's tokens, in order. Servers log them as numbers, as objects with `logprob`, or as an
    object that holds a list of either: `content` (OpenAI chat), `token_logprobs` (completions), `tokens` (TGI). What is no
    log probability (the null of the first token, NaN, a number above 0) is left out.
#}
{% macro token_logprobs(logprobs) -%}
    {{ return(adapter.dispatch('token_logprobs')(logprobs)) }}
{%- endmacro %}

{% macro default__token_logprobs(logprobs) -%}
    list_filter(
        -- An object as text is no number, and a number has no `logprob`.
        try_cast(
            case
                {% for list in ['$', '$.content', '$.token_logprobs', '$.tokens'] -%}
                when json_type({{ logprobs }}, '{{ list }}') = 'ARRAY' then list_concat(
                    json_extract_string({{ logprobs }}, '{{ list }}[*].logprob'),
                    json_extract_string({{ logprobs }}, '{{ list }}[*]')
                )
                {% endfor -%}
            end as double[]
        ),
        lambda logprob: isfinite(logprob) and logprob <= 0
    )
{%- endmacro %}

{#
    The scores of what an output was chosen among, the best first: those of its alternatives and, where it is none of these
    by name, its own. Empty where no alternative has a score.
#}
{% macro scores_to_choose_from(output) -%}
    {{ return(adapter.dispatch('scores_to_choose_from')(output)) }}
{%- endmacro %}

{% macro default__scores_to_choose_from(output) -%}
    {%- set score -%} try_cast(json_extract_string({{ output }}, '$.score') as double) {%- endset -%}
    {%- set scored -%}
        list_filter(
            list_transform(json_extract({{ output }}, '$.alternatives[*]'), lambda alternative: {
                'name': {{ said('alternative') }},
                'score': try_cast(json_extract_string(alternative, '$.score') as double)
            }),
            lambda alternative: alternative.score is not null
        )
    {%- endset -%}
    list_reverse_sort(list_concat(
        list_transform({{ scored }}, lambda alternative: alternative.score),
        case
            when {{ score }} is not null and len({{ scored }}) > 0 and len(list_filter(
                {{ scored }}, lambda alternative: coalesce(alternative.name = {{ said(output) }}, true)
            )) = 0 then [{{ score }}]
        end
    ))
{%- endmacro %}

{# Why an output is worth a label: measures from 0 to 1. Of two that are as high the first is the reason. #}
{% macro label_reasons() -%}
    {{ return(['rater_disagreement', 'ensemble_disagreement', 'uncertain_score', 'low_confidence']) }}
{%- endmacro %}
