{{ config(meta={'dagster': {'ref': {'name': 'feedback_status'}}, 'description': 'No status without a feedback line in the ledger.'}) }}

-- The run's window only: lines from before it keep their place, and daily_accounts compares their number.
select status.received_date, status.source_file, status.source_line
from {{ ref('feedback_status') }} as status
left join {{ source('ledger', 'feedback') }} as lines
    on status.received_date = lines.received_date
    and status.source_file = lines.source_file
    and status.source_line = lines.source_line
where {{ in_window('status.received_date') }} and lines.source_line is null
