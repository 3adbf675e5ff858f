{# JSON where Spark needs another way than DuckDB's functions translated. #}

{# A VARIANT has its keys sorted, at every depth. #}
{% macro spark__canonical_json(column, depth) -%}
    to_json(try_parse_json({{ column }}))
{%- endmacro %}

{% macro spark__json_elements(relation, column, path) -%}
    select * exclude (placed), placed.element, placed.position
    from (
        select * exclude ({{ column }}),
            explode(transform(
                case
                    when json_type({{ column }}, '{{ path }}') = 'ARRAY' then json_extract({{ column }}, '{{ path }}[*]')
                    else []
                end,
                (element, position) -> struct(element as element, position::bigint as position)
            )) as placed
        from {{ relation }}
    )
{%- endmacro %}

{% macro spark__text_findings(model_name, columns) -%}
    {%- set fields = [] -%}
    {%- for name, type in columns.items() -%}
        {%- do fields.append(name ~ ' ' ~ adapter.spark_type(type)) -%}
    {%- endfor -%}
    select {% for name in columns -%} finding.{{ name }}{{ ', ' if not loop.last }} {%- endfor %}
    from (
        select from_json(finding, '{{ fields | join(', ') }}') as finding
        from (
            select distinct finding
            from {{ source('ledger', 'text_findings') }}
            where model = '{{ model_name }}' and {{ in_window('partition_date') }}
        )
    )
{%- endmacro %}

{% macro spark__event_json(named, columns, json_columns, extras) -%}
    '{' || concat_ws(','
        {%- for name, value in named.items() %}
        , '"{{ name }}":' || to_json(cast({{ value }} as variant))
        {%- endfor %}
        {%- for column in columns %}
        , '"{{ column }}":' || to_json(cast({{ column }} as variant))
        {%- endfor %}
        {%- for column in json_columns %}
        , '"{{ column }}":' || {{ column }}
        {%- endfor %}
        , nullif(substr({{ extras }}, 2, length({{ extras }}) - 2), '')
    ) || '}'
{%- endmacro %}
