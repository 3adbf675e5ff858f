with lines as (
    select * from {{ source('ledger', 'reviews') }}
)

select * exclude (dead_letter_reason, dead_letter_detail, raw)
from lines
where dead_letter_reason is null
