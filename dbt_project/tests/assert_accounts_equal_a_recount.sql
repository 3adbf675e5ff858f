{{ config(meta={'dagster': {'ref': {'name': 'daily_accounts'}}, 'description': 'Each day\'s count of each state is the number of its lines in that state.'}) }}

-- As far back as the run may have changed a state. Every day is compared, also one that only one side has.
with recounted as (
    select received_date, state, count(*) as lines
    from {{ ref('feedback_status') }}
    where {{ in_window('received_date', 'status_from') }}
    group by received_date, state
),

accounted as (
    {% for state in states() -%}
    select received_date, '{{ state }}' as state, {{ state }} as lines
    from {{ ref('daily_accounts') }}
    where {{ in_window('received_date', 'status_from') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select received_date, state, recounted.lines as lines_recounted, accounted.lines as lines_accounted
from recounted
full join accounted using (received_date, state)
where coalesce(recounted.lines, 0) <> coalesce(accounted.lines, 0)
