{# The received dates that the ledger has a partition for, whether or not it holds a line. #}
{% macro ledger_days(stream) -%}
    {{ return(adapter.dispatch('ledger_days')(stream)) }}
{%- endmacro %}

{% macro duckdb__ledger_days(stream) -%}
    (
        select distinct regexp_extract(file, 'received_date=([0-9]{4}-[0-9]{2}-[0-9]{2})', 1)::date as received_date
        from glob('{{ env_var('DBT_LEDGER_URL', '../data/ledger') }}/{{ stream }}/received_date=*/part-*.parquet')
    )
{%- endmacro %}

{# The version of each received date's ledger: it changes with the lines and with how they are read. A day that is loaded
   by the hour has a file an hour, and their versions in this order (lib/ledger_metadata.py). #}
{% macro ledger_versions(stream) -%}
    {{ return(adapter.dispatch('ledger_versions')(stream)) }}
{%- endmacro %}

{% macro duckdb__ledger_versions(stream) -%}
    {%- if var('encrypted') %}
    -- DuckDB reads no metadata of an encrypted file: they are in a file beside it.
    (
        select
            regexp_extract(filename, 'received_date=([0-9]{4}-[0-9]{2}-[0-9]{2})', 1)::date as received_date,
            string_agg(ledger_version, '+' order by filename) as ledger_version
        from read_json(
            '{{ env_var('DBT_LEDGER_URL', '../data/ledger') }}/{{ stream }}/received_date=*/part-*.json',
            columns = {ledger_version: 'VARCHAR'}, filename = true
        )
        group by all
    )
    {%- else %}
    (
        select
            regexp_extract(file_name, 'received_date=([0-9]{4}-[0-9]{2}-[0-9]{2})', 1)::date as received_date,
            string_agg(decode(value), '+' order by file_name) as ledger_version
        from parquet_kv_metadata('{{ env_var('DBT_LEDGER_URL', '../data/ledger') }}/{{ stream }}/received_date=*/part-*.parquet')
        where decode(key) = 'ledger_version'
        group by all
    )
    {%- endif %}
{%- endmacro %}
