{#
    A relation with a row for each element of a JSON array, as `element`, with its place from 0 as `position`; the column
    that holds the array is left out. What is no array has no rows.
#}
{% macro json_elements(relation, column, path='$') -%}
    {{ return(adapter.dispatch('json_elements')(relation, column, path)) }}
{%- endmacro %}

{% macro duckdb__json_elements(relation, column, path) -%}
    select * exclude ({{ column }}, elements),
        unnest(elements) as element, generate_subscripts(elements, 1) - 1 as position
    from (
        select *,
            case
                when json_type({{ column }}, '{{ path }}') = 'ARRAY' then json_extract({{ column }}, '{{ path }}[*]')
                else []
            end as elements
        from {{ relation }}
    )
{%- endmacro %}

{# What a component or a model said, as one text: the text itself, or the field of an object that holds it. #}
{% macro said(output) -%}
    {{ return(adapter.dispatch('said')(output)) }}
{%- endmacro %}

{% macro default__said(output) -%}
    case
        when json_type({{ output }}) = 'OBJECT' then coalesce(
            json_extract_string({{ output }}, '$.text'),
            json_extract_string({{ output }}, '$.label'),
            json_extract_string({{ output }}, '$.name')
        )
        else json_extract_string({{ output }}, '$')
    end
{%- endmacro %}

{# A number that can be a weight: finite and not below 0; null where it is none. #}
{% macro json_weight(column, path) -%}
    {{ return(adapter.dispatch('json_weight')(column, path)) }}
{%- endmacro %}

{% macro default__json_weight(column, path) -%}
    case
        when isfinite(try_cast(json_extract_string({{ column }}, '{{ path }}') as double))
            and try_cast(json_extract_string({{ column }}, '{{ path }}') as double) >= 0
            then try_cast(json_extract_string({{ column }}, '{{ path }}') as double)
    end
{%- endmacro %}

{#
    How far two texts agree, from 0 to 1: the words that both have, of the words that either has. Of a single word, such as
    a label, there is nothing in between: it is the same or it is not.
#}
{% macro text_agreement(one, other) -%}
    case
        when {{ normalized_text(one) }} = {{ normalized_text(other) }} then 1.0
        when len({{ words(one) }}) < 2 or len({{ words(other) }}) < 2 then 0.0
        else len(list_intersect({{ words(one) }}, {{ words(other) }}))::double
            / len(list_distinct(list_concat({{ words(one) }}, {{ words(other) }})))
    end
{%- endmacro %}
