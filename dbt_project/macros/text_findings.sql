{#
    What a model had found of texts whose lifetime is over: its rows of the run's window as they were when the texts
    went (orchestration/lib/retention/findings.py), with the `columns` (name to type) of this model.
#}
{% macro text_findings(model_name, columns) -%}
    {{ return(adapter.dispatch('text_findings')(model_name, columns)) }}
{%- endmacro %}

{% macro duckdb__text_findings(model_name, columns) -%}
    select unnest(from_json(finding, '{{ tojson(columns) }}'))
    from (
        -- What rests on two texts was kept with either.
        select distinct finding
        from {{ source('ledger', 'text_findings') }}
        where model = '{{ model_name }}' and {{ in_window('partition_date') }}
    )
{%- endmacro %}

{# Whether a sound line of the ledger is without its texts, since their lifetime is over. #}
{% macro is_text_expired(lines) -%}
    {{ lines ~ '.' if lines }}dead_letter_detail is not distinct from 'text_expired'
{%- endmacro %}
