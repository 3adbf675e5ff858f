{#
    The columns together identify a row. Where the partition column is one of them, rows of other partitions
    can not clash, so a `where` on the run's window loses nothing.
#}
{% test unique_combination(model, columns) %}

select {{ columns | join(', ') }}, count(*) as occurrences
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
