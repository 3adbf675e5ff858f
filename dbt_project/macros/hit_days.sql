{#
    The days on which a relation has rows of interest, as literals: a predicate of literals skips whole
    ledger files, which a join's keys do not. Who compiles a model once and runs it often (`attribution follow`) has
    the days asked for each time.
#}
{% macro hit_days(relation, column, where) -%}
    {%- if var('ask_for_days') -%}
        {%- do return("select distinct " ~ column ~ " from " ~ relation ~ " where " ~ where) -%}
    {%- endif -%}
    {%- if execute -%}
        {%- set days = run_query(translated("select distinct " ~ column ~ " from " ~ relation ~ " where " ~ where ~ " order by 1")).columns[0].values() -%}
    {%- endif -%}
    {%- for day in days or ['0001-01-01'] -%}
        date '{{ day }}'{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
