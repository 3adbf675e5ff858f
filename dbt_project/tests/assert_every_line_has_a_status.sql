{{ config(meta={'dagster': {'ref': {'name': 'feedback_status'}}, 'description': 'Nothing is dropped: every feedback line of the ledger has a status.'}) }}

-- The run's window only: lines from before it keep their place, and daily_accounts compares their number.
select lines.received_date, lines.source_file, lines.source_line
from {{ source('ledger', 'feedback') }} as lines
left join {{ ref('feedback_status') }} as status
    on lines.received_date = status.received_date
    and lines.source_file = status.source_file
    and lines.source_line = status.source_line
where {{ in_window('lines.received_date') }} and status.source_line is null
