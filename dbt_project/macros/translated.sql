{# A query that is asked while a model is compiled, in the engine's words. #}
{% macro translated(query) -%}
    {{ return(adapter.dispatch('translated')(query)) }}
{%- endmacro %}

{% macro default__translated(query) -%}
    {{ return(query) }}
{%- endmacro %}

{% macro spark__translated(query) -%}
    {{ return(adapter.translated(query)) }}
{%- endmacro %}
