{#
    The columns identify a row across all partitions, though the partition column is none of them. Only what
    the run wrote can have broken it, so only its values are looked up in the whole of the table: the cost
    grows with the history of the key columns alone, and the grouping with the window.
#}
{% test unique_in_history(model, columns, partition_column) %}

with written as (
    select distinct {{ columns | join(', ') }}
    from {{ model }}
    where {{ in_window(partition_column) }}
)

select {{ columns | join(', ') }}, count(*) as occurrences
from {{ model }}
inner join written using ({{ columns | join(', ') }})
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
