{# A query of a model as Spark takes it, its columns of the types that the yml gives them. #}
{% macro duckdb_on_spark__model_query(sql) -%}
    {%- set query = adapter.translated(sql) -%}
    {%- set found = adapter.columns_of_query(query) -%}
    {%- set declared = {} -%}
    {%- for column in model.get('columns', {}).values() if column.data_type -%}
        {%- do declared.update({column.name | lower: adapter.spark_type(column.data_type)}) -%}
    {%- endfor -%}
    {%- set names = found | map('first') | map('lower') | list -%}
    {%- if config.get('contract') and config.get('contract').enforced and names | sort != declared.keys() | sort -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ ' has the columns ' ~ (names | sort | join(', ')) ~ ', and its contract '
            ~ (declared.keys() | sort | join(', '))
        ) -%}
    {%- endif -%}
    select
    {%- for name, type in found %}
        {% set wanted = declared.get(name | lower, type) -%}
        {{ adapter.quote(name) if wanted | lower == type else 'cast(' ~ adapter.quote(name) ~ ' as ' ~ wanted ~ ') as ' ~ adapter.quote(name) }}
        {{- ',' if not loop.last }}
    {%- endfor %}
    from (
        {{ query }}
    )
{%- endmacro %}

{% macro duckdb_on_spark__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- if temporary %}
    create or replace temporary view {{ relation.include(schema=false) }} as
    {%- else %}
    create table {{ relation }} using {{ config.get('file_format', 'parquet') }}
    {{ 'partitioned by (' ~ config.get('partition_column') ~ ')' if config.get('partition_column') }}
    {{ location_clause() }}
    {{ comment_clause() }}
    as
    {%- endif %}
    {{ duckdb_on_spark__model_query(compiled_code) }}
{%- endmacro %}

{% macro duckdb_on_spark__create_view_as(relation, sql) -%}
    {%- set query = duckdb_on_spark__model_query(sql) -%}
    create or replace view {{ relation }} (
    {%- for name, type in adapter.columns_of_query(query) %}
        {{ get_column_comment_sql(name, model.columns) }}{{ ',' if not loop.last }}
    {%- endfor %}
    )
    {{ comment_clause() }}
    as
    {{ query }}
{%- endmacro %}

{% macro duckdb_on_spark__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    {{ default__get_test_sql(adapter.translated(main_sql), fail_calc, warn_if, error_if, limit) }}
{%- endmacro %}
