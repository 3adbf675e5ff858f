{{ config(parameters=['as_of', "method := '" ~ var('chunk_credit_method') ~ "'"]) }}

with shares as (
    {{ held(ref('int_chunk_shares'), 'as_of::date') }}
)

{{ chunk_credits('shares', 'method') }}
