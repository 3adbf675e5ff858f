{{ config(parameters=['as_of', "method := 'cited'"]) }}

with shares as (
    select shares.*
    from {{ ref('int_chunk_shares') }} as shares
    anti join ({{ feedback_ended('as_of::date') }}) as ended on shares.feedback_id = ended.feedback_id
    where shares.attributed_date <= as_of::date
)

{{ chunk_credits('shares', 'method') }}
