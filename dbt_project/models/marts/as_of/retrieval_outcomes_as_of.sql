{{ config(parameters='as_of') }}

with outcomes as (
    {{ retrieval_outcomes(rows='attributed_date <= as_of::date', known_until='as_of::date') }}
)

{{ held('outcomes', 'as_of::date') }}
