{#
    The incremental strategy `replace_partitions` on Spark: the partitions of the window are overwritten, each by one
    rename, and those that came out empty are dropped. Readers see a day as it was or as it is, and another day not at
    all touched. Table formats with transactions are not needed for it.
#}
{% materialization incremental, adapter='duckdb_on_spark' -%}
    {%- if config.get('incremental_strategy') != 'replace_partitions' -%}
        {%- do exceptions.raise_compiler_error('the incremental strategy on Spark is replace_partitions, not ' ~ config.get('incremental_strategy')) -%}
    {%- endif -%}
    {%- set column = config.require('partition_column') -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_relation(this) -%}

    {{ run_hooks(pre_hooks) }}

    {%- if existing_relation is none or existing_relation.is_view or should_full_refresh() -%}
        {%- if existing_relation is not none -%}
            {%- do adapter.drop_relation(existing_relation) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ create_table_as(false, target_relation, compiled_code) }}
        {%- endcall -%}
    {%- else -%}
        {%- set new_rows = make_temp_relation(this, '__new_rows') -%}
        {%- call statement('new_rows') -%}
            {{ create_table_as(true, new_rows, compiled_code) }}
        {%- endcall -%}
        {%- do duckdb_on_spark__add_new_columns(new_rows, target_relation) -%}
        {%- set before = adapter.partition_files(target_relation, column) -%}
        {%- call statement() -%}
            set spark.sql.sources.partitionOverwriteMode = dynamic
        {%- endcall -%}
        {%- set columns = adapter.get_columns_in_relation(target_relation) | map(attribute='quoted') | join(', ') -%}
        {%- call statement('main') -%}
            insert overwrite table {{ target_relation }} partition ({{ column }})
            select {{ columns }} from {{ new_rows }}
        {%- endcall -%}
        {%- set after = adapter.partition_files(target_relation, column) -%}
        {#- YAML reads days as dates, JSON as texts. #}
        {%- set window_from = var(config.get('window_from_var', 'window_from')) | string -%}
        {%- set window_to = var('window_to') | string -%}
        {%- for day, day_files in before.items() if window_from <= day <= window_to and after.get(day) == day_files -%}
            {%- call statement() -%}
                alter table {{ target_relation }} drop if exists partition ({{ column }} = date '{{ day }}')
            {%- endcall -%}
        {%- endfor -%}
    {%- endif -%}

    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}

{# What later versions of the models brought (`on_schema_change: append_new_columns`). #}
{% macro duckdb_on_spark__add_new_columns(new_rows, target_relation) -%}
    {%- set known = adapter.get_columns_in_relation(target_relation) | map(attribute='name') | list -%}
    {%- set added = [] -%}
    {%- for name, type in adapter.columns_of_query('select * from ' ~ new_rows) if name not in known -%}
        {%- do added.append(adapter.quote(name) ~ ' ' ~ type) -%}
    {%- endfor -%}
    {%- if added -%}
        {%- call statement() -%}
            alter table {{ target_relation }} add columns ({{ added | join(', ') }})
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}
