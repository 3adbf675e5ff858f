{# The received dates that the ledger has a partition for, whether or not it holds a line. #}
{% macro ledger_days(stream) -%}
    {{ return(adapter.dispatch('ledger_days')(stream)) }}
{%- endmacro %}

{% macro duckdb__ledger_days(stream) -%}
    (
        select regexp_extract(file, 'received_date=([0-9]{4}-[0-9]{2}-[0-9]{2})', 1)::date as received_date
        from glob('{{ env_var('DBT_LEDGER_URL', '../data/ledger') }}/{{ stream }}/received_date=*/part-00000.parquet')
    )
{%- endmacro %}

{# The version of each received date's ledger file: it changes with the lines and with how they are read. #}
{% macro ledger_versions(stream) -%}
    {{ return(adapter.dispatch('ledger_versions')(stream)) }}
{%- endmacro %}

{% macro duckdb__ledger_versions(stream) -%}
    {%- if var('encrypted') %}
    -- DuckDB reads no metadata of an encrypted file: they are in a file beside it.
    (
        select
            regexp_extract(filename, 'received_date=([0-9]{4}-[0-9]{2}-[0-9]{2})', 1)::date as received_date,
            ledger_version
        from read_json(
            '{{ env_var('DBT_LEDGER_URL', '../data/ledger') }}/{{ stream }}/received_date=*/part-00000.json',
            columns = {ledger_version: 'VARCHAR'}, filename = true
        )
    )
    {%- else %}
    (
        select
            regexp_extract(file_name, 'received_date=([0-9]{4}-[0-9]{2}-[0-9]{2})', 1)::date as received_date,
            decode(value) as ledger_version
        from parquet_kv_metadata('{{ env_var('DBT_LEDGER_URL', '../data/ledger') }}/{{ stream }}/received_date=*/part-00000.parquet')
        where decode(key) = 'ledger_version'
    )
    {%- endif %}
{%- endmacro %}
