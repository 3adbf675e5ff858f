{{ config(partition_column='attributed_date') }}

with shares as (
    select * from {{ ref('int_component_shares') }} where {{ in_window('attributed_date') }}
)

{{ component_credits('shares', "'" ~ var('component_credit_method') ~ "'") }}
