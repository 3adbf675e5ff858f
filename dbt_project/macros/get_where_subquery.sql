{#
    A test's `where` is rendered when the project is parsed, and a run's window is known only later: the words
    __window_from__, __window_to__ and __status_from__ stand for it in the yml and are replaced here.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = (config.get('where') or '')
        | replace('__window_from__', var('window_from'))
        | replace('__window_to__', var('window_to'))
        | replace('__status_from__', var('status_from')) -%}
    {%- if where -%}
        {%- do return('(select * from ' ~ relation ~ ' where ' ~ where ~ ') dbt_subquery') -%}
    {%- else -%}
        {%- do return(relation) -%}
    {%- endif -%}
{%- endmacro %}
