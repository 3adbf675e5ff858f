{#
    A producer's name for something, as the profile shows it: messages quote it, so nothing that could be a
    user's words gets through.
#}
{% macro profile_value(column) -%}
    {{ return(adapter.dispatch('profile_value')(column)) }}
{%- endmacro %}

{% macro default__profile_value(column) -%}
    case
        when {{ column }} is null then '(none)'
        when regexp_full_match({{ column }}, '[A-Za-z0-9][A-Za-z0-9._+:/@-]{0,63}') then {{ column }}
        else '(other)'
    end
{%- endmacro %}
