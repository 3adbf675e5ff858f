{{ config(partition_column='attributed_date') }}

with pairs as (
    select * from {{ ref('int_feedback_attributions') }} where {{ in_window('attributed_date') }}
),

feedback as (
    select * from {{ ref('stg_feedback') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_attributions'), 'feedback_received_date', in_window('attributed_date')) }}
    )
),

inferences as (
    select * from {{ ref('stg_inferences') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_attributions'), 'inference_received_date', in_window('attributed_date')) }}
    )
),

described as (
    {{ described_pairs(['review_received_date', 'attributed_date']) }}
)

select
    described.*,
    {{ row_hash('described') }} as row_hash
from described
