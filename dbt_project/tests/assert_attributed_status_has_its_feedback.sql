{{ config(meta={'dagster': {'ref': {'name': 'feedback_status'}}, 'description': 'Every status that says attributed, or names an attributed date, has its row in attributed_feedback.'}) }}

-- The partitions that the run wrote, on both sides; a status that says attributed without a day is of none.
select status.feedback_id, status.received_date, status.attributed_date
from {{ ref('feedback_status') }} as status
left join {{ ref('attributed_feedback') }} as attributed
    on status.received_date = attributed.feedback_received_date
    and status.source_file = attributed.feedback_source_file
    and status.source_line = attributed.feedback_source_line
    and status.feedback_id = attributed.feedback_id
    and status.request_id = attributed.request_id
    and status.attributed_date = attributed.attributed_date
where {{ in_window('status.received_date', 'status_from') }}
    and (
        (status.state = 'attributed' and status.attributed_date is null)
        or ({{ in_window('status.attributed_date') }} and attributed.feedback_id is null)
    )
