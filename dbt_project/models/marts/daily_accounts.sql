{{ config(partition_column='received_date', window_from_var='status_from') }}

with days as (
    select received_date from {{ ledger_days('feedback') }}
    where {{ in_window('received_date', 'status_from') }}
),

-- Counted in the ledger, not in the states, so that the two can be compared.
lines as (
    select received_date, count(*) as lines_received
    from {{ source('ledger', 'feedback') }}
    where {{ in_window('received_date', 'status_from') }}
    group by received_date
),

states as (
    select
        received_date,
        {% for state in states() -%}
        count(*) filter (where state = '{{ state }}') as {{ state }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('feedback_status') }}
    where {{ in_window('received_date', 'status_from') }}
    group by received_date
)

select
    days.received_date,
    coalesce(lines.lines_received, 0) as lines_received,
    {% for state in states() -%}
    coalesce(states.{{ state }}, 0) as {{ state }}{{ ',' if not loop.last }}
    {% endfor %}
from days
left join lines on days.received_date = lines.received_date
left join states on days.received_date = states.received_date
