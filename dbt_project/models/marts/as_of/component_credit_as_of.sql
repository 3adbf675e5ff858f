{{ config(parameters=['as_of', "method := '" ~ var('component_credit_method') ~ "'"]) }}

with shares as (
    {{ held(ref('int_component_shares'), 'as_of::date') }}
)

{{ component_credits('shares', 'method') }}
