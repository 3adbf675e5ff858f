{{ config(partition_column='received_date') }}

-- Of a day's reviews of one feedback the last received counts.
select
    feedback_id, decision, reviewer, reviewed_at, note, received_date, source_file, source_line
from {{ ref('stg_reviews') }}
where {{ in_window('received_date') }}
qualify row_number() over (
    partition by feedback_id, received_date order by source_file desc, source_line desc
) = 1
