{{ config(partition_column='paired_date') }}

{#- The days of the pairs that were held back, and not of all: on most days hardly any is, and texts are dear to read. -#}
{%- set held_back -%}
state = 'sound' and {{ in_window('paired_date') }} and (feedback_received_date, feedback_source_file, feedback_source_line, paired_date) not in (
    select (feedback_received_date, feedback_source_file, feedback_source_line, attributed_date)
    from {{ ref('int_feedback_attributions') }} where {{ in_window('attributed_date') }}
)
{%- endset %}

with pairs as (
    select * from {{ ref('int_feedback_matches') }} where {{ held_back }}
),

feedback as (
    select * from {{ ref('stg_feedback') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_matches'), 'feedback_received_date', held_back) }}
    )
),

inferences as (
    select * from {{ ref('stg_inferences') }}
    where received_date in (
        {{ hit_days(ref('int_feedback_matches'), 'inference_received_date', held_back) }}
    )
    and request_id in (select request_id from pairs)
)

{{ described_pairs(['paired_date']) }}
