{{ config(meta={'description': 'The states of a day add up to the feedback lines received on it.'}) }}

-- One row a day: all of history costs nothing.
select *
from {{ ref('daily_accounts') }}
where lines_received <> {{ states() | join(' + ') }}
