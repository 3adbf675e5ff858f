{{ config(parameters='as_of') }}

with ended as (
    {{ feedback_ended('as_of::date') }}
)

select pairs.*
from {{ ref('attributed_feedback') }} as pairs
anti join ended on pairs.feedback_id = ended.feedback_id
where pairs.attributed_date <= as_of::date
