with lines as (
    select * from {{ source('ledger', 'inferences') }}
)

select * exclude (dead_letter_reason, dead_letter_detail, raw), {{ is_text_expired() }} as is_text_expired
from lines
where dead_letter_reason is null
