{# JSON where Spark needs another way than DuckDB's functions translated. #}

{#
    Members in the order of their texts, and not of their keys: who compares two does not see it. What a member is tells a
    VARIANT, and how it was written the text beside it, without a text's quotes.
#}
{% macro spark__canonical_json(column, depth) -%}
    {%- set member = 'm' ~ depth -%}
    {%- set written -%}
        case
            when {{ member }}.written is null then 'null'
            when schema_of_variant({{ member }}.kind) = 'STRING' then json_quote({{ member }}.written)
            else {{ member }}.written
        end
    {%- endset -%}
    case
        when left({{ column }}, 1) = '{' then '{' || array_to_string(
            list_sort(list_transform(
                zip_with(
                    map_entries(from_json({{ column }}, 'map<string,variant>')),
                    map_values(from_json({{ column }}, 'map<string,string>')),
                    lambda known, written: {'key': known.key, 'kind': known.value, 'written': written}
                ),
                lambda {{ member }}: {{ member }}.key || ':' ||
                    {%- if depth > 1 %}
                    list_transform([{{ written }}], lambda json{{ depth }}: {{ spark__canonical_json('json' ~ depth, depth - 1) }})[1]
                    {%- else %} {{ written }} {%- endif %}
            )), ','
        ) || '}'
        else {{ column }}
    end
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
