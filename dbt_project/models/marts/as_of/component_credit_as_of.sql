{{ config(parameters=['as_of', "method := 'weight'"]) }}

with shares as (
    select shares.*
    from {{ ref('int_component_shares') }} as shares
    anti join ({{ feedback_ended('as_of::date') }}) as ended on shares.feedback_id = ended.feedback_id
    where shares.attributed_date <= as_of::date
)

{{ component_credits('shares', 'method') }}
