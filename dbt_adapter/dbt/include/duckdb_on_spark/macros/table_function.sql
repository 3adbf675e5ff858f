{#
    A function of a day, as dbt-duckdb has it, by Spark's own SQL functions. Their parameters need types: a first one
    without a default is a day, and the others are what their default is.
#}
{% materialization table_function, adapter='duckdb_on_spark' -%}
    {%- set parameters = config.get('parameters') -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        create or replace function {{ target_relation }} (
        {%- for parameter in ([parameters] if parameters is string else parameters) -%}
            {%- set name, _, default = parameter.partition(' := ') -%}
            {{ name }} {{ 'date' if not default else ('string' if default.startswith("'") else 'int') }}
            {{- ' default ' ~ default if default }}{{ ', ' if not loop.last }}
        {%- endfor -%}
        ) returns table return
        {{ adapter.translated(compiled_code) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': []}) }}
{%- endmaterialization %}
