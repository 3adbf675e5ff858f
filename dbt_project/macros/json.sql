{# JSON access, where engines differ. `path` is a JSONPath such as $.text. #}
{% macro json_text(column, path) -%}
    {{ return(adapter.dispatch('json_text')(column, path)) }}
{%- endmacro %}

{% macro default__json_text(column, path) -%}
    json_extract_string({{ column }}, '{{ path }}')
{%- endmacro %}

{# All values that a path with a wildcard meets, as a list of text. #}
{% macro json_texts(column, path) -%}
    {{ return(adapter.dispatch('json_texts')(column, path)) }}
{%- endmacro %}

{% macro default__json_texts(column, path) -%}
    json_extract_string({{ column }}, '{{ path }}')
{%- endmacro %}

{% macro json_length(column, path) -%}
    {{ return(adapter.dispatch('json_length')(column, path)) }}
{%- endmacro %}

{% macro default__json_length(column, path) -%}
    json_array_length({{ column }}, '{{ path }}')
{%- endmacro %}

{#
    JSON text with its objects' keys sorted, three levels deep, so that two spellings of the same content
    compare equal.
#}
{% macro canonical_json(column, depth=3) -%}
    {{ return(adapter.dispatch('canonical_json')(column, depth)) }}
{%- endmacro %}

{% macro default__canonical_json(column, depth) -%}
    {%- set key = 'k' ~ depth -%}
    {%- set member = "json_extract(" ~ column ~ ", '/' || replace(replace(" ~ key ~ ", '~', '~0'), '/', '~1'))::varchar" -%}
    case
        when left({{ column }}, 1) = '{' then '{' || array_to_string(
            list_transform(
                list_sort(json_keys({{ column }})),
                lambda {{ key }}: {{ key }} || ':' || coalesce(
                    {% if depth > 1 %}{{ canonical_json(member, depth - 1) }}{% else %}{{ member }}{% endif %}, 'null'
                )
            ), ','
        ) || '}'
        else {{ column }}
    end
{%- endmacro %}

{#
    A text field of a line that may not be JSON, found by its name: good enough to tell whose lines are broken.
    The first one counts, at any depth.
#}
{% macro text_field(line, name) -%}
    {{ return(adapter.dispatch('text_field')(line, name)) }}
{%- endmacro %}

{% macro default__text_field(line, name) -%}
    nullif(regexp_extract({{ line }}, '"{{ name }}"\s*:\s*"([^"\\]*)"', 1), '')
{%- endmacro %}

{#
    An event written out as JSON: `named` fields (name to SQL), then columns of the same name, `json_columns` among them
    as what they are, and the fields of the object `extras`. What is null is left out.
#}
{% macro event_json(named, columns, json_columns, extras) -%}
    '{' || concat_ws(','
        {%- for name, value in named.items() %}
        , '"{{ name }}":' || to_json({{ value }})
        {%- endfor %}
        {%- for column in columns %}
        , '"{{ column }}":' || to_json({{ column }})
        {%- endfor %}
        {%- for column in json_columns %}
        , '"{{ column }}":' || {{ column }}
        {%- endfor %}
        , nullif(substr({{ extras }}, 2, length({{ extras }}) - 2), '')
    ) || '}'
{%- endmacro %}
