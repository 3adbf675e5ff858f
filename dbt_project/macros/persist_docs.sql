{#
    What the yml says of a relation and its columns, as comments, in one statement. dbt's own macro looks the columns up
    twice before, which took a seventh of building a small day; here one that is described and not there fails its model.
#}
{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- set comments = [] -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do comments.append(alter_relation_comment(relation, model.description)) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() -%}
        {%- for name, column in model.columns.items() -%}
            {%- set comment = duckdb_escape_comment(column.description) -%}
            {%- do comments.append('comment on column ' ~ relation ~ '.' ~ adapter.quote(name) ~ ' is ' ~ comment ~ ';') -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if comments -%}
        {%- call statement('comments', auto_begin=false) -%}
            {{ comments | join('\n') }}
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}
