{{ config(parameters='as_of') }}

with outcomes as (
    {{ retrieval_outcomes(rows='attributed_date <= as_of::date', known_until='as_of::date') }}
)

select outcomes.*
from outcomes
anti join ({{ feedback_ended('as_of::date') }}) as ended on outcomes.feedback_id = ended.feedback_id
