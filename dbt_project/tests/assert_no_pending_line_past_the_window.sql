{{ config(meta={'description': 'No line still waits after the attribution window: it would wait for ever.'}) }}

-- All of history: a line that was forgotten is older than anything that the run wrote.
select feedback_id, received_date, source_file, source_line
from {{ ref('feedback_status') }}
where state = 'pending' and {{ has_expired('received_date', "date '" ~ var("as_of") ~ "'") }}
