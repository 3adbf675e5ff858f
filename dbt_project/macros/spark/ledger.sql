{# The ledger's days and versions on Spark: asked when a model is compiled, of the files. #}
{% macro spark__ledger_days(stream) -%}
    {%- set days = adapter.partitions_found(ledger_files(stream), 'received_date') | unique | list -%}
    (
        {% for day in days -%}
        select date '{{ day }}' as received_date{{ ' union all ' if not loop.last }}
        {%- else -%}
        select null::date as received_date where false
        {%- endfor %}
    )
{%- endmacro %}

{% macro spark__ledger_versions(stream) -%}
    {%- set versions = adapter.parquet_metadata_found(ledger_files(stream), 'received_date', 'ledger_version') -%}
    (
        {% for day, of_day in versions | groupby(0) -%}
        select date '{{ day }}' as received_date, '{{ of_day | map(attribute=1) | join('+') }}' as ledger_version{{ ' union all ' if not loop.last }}
        {%- else -%}
        select null::date as received_date, null::varchar as ledger_version where false
        {%- endfor %}
    )
{%- endmacro %}

{% macro ledger_files(stream) -%}
    {{ env_var('DBT_LEDGER_URL', '../data/ledger') }}/{{ stream }}/received_date=*/part-*.parquet
{%- endmacro %}
