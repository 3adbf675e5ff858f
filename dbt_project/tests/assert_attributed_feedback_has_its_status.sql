{{ config(meta={'dagster': {'ref': {'name': 'attributed_feedback'}}, 'description': 'Every attributed row is told as attributed, or as doubted since, to the same inference on the same day, by feedback_status.'}) }}

-- The run's window only: it is what the run wrote, and an older pair's status can not change any more.
select attributed.feedback_id, attributed.attributed_date
from {{ ref('attributed_feedback') }} as attributed
left join {{ ref('feedback_status') }} as status
    on attributed.feedback_received_date = status.received_date
    and attributed.feedback_source_file = status.source_file
    and attributed.feedback_source_line = status.source_line
    and attributed.feedback_id = status.feedback_id
    and attributed.request_id = status.request_id
    and attributed.attributed_date = status.attributed_date
    and (status.state = 'attributed' or status.reason in (
        select reason from {{ ref('int_feedback_flags') }} union all select 'rejected_in_review'
    ))
where {{ in_window('attributed.attributed_date') }} and status.feedback_id is null
