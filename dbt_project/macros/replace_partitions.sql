{#
    The incremental strategy of this project: the partitions of the window are deleted and written anew, in
    one transaction. A window may come out empty, so the strategy deletes by the window and not by the days
    that happen to be in the new rows.

    A model names its partition column with `partition_column`, and where its window starts earlier than
    the run's, the variable that says so with `window_from_var`.
#}
{% macro get_incremental_replace_partitions_sql(arg_dict) %}
    {%- set partition_column = config.require('partition_column') -%}
    {%- set window_from = var(config.get('window_from_var', 'window_from')) -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}

    delete from {{ arg_dict['target_relation'] }}
    where {{ partition_column }} between date '{{ window_from }}' and date '{{ var("window_to") }}';

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}

{# The run's window as a predicate on a date column. #}
{% macro in_window(column, window_from_var='window_from') -%}
    {{ column }} between date '{{ var(window_from_var) }}' and date '{{ var("window_to") }}'
{%- endmacro %}
