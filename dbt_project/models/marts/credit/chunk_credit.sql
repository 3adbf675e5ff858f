{{ config(partition_column='attributed_date') }}

with shares as (
    select * from {{ ref('int_chunk_shares') }} where {{ in_window('attributed_date') }}
)

{{ chunk_credits('shares', "'" ~ var('chunk_credit_method') ~ "'") }}
