{{ config(meta={'description': 'A pair belongs to the latest of the received dates of its feedback, its inference, and the review that let it in.'}) }}

-- The run's window only: other partitions are not written again.
select feedback_id, feedback_received_date, inference_received_date, review_received_date, attributed_date
from {{ ref('attributed_feedback') }}
where {{ in_window('attributed_date') }}
    and attributed_date <> greatest(feedback_received_date, inference_received_date, review_received_date)
