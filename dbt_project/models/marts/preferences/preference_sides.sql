{{ config(partition_column='known_date') }}

with sides as (
    select * from {{ ref('int_preference_sides') }} where {{ in_window('known_date') }}
),

inferences as (
    select * from {{ ref('stg_inferences') }}
    where received_date in (
        {{ hit_days(ref('int_preference_sides'), 'inference_received_date', in_window('known_date')) }}
    )
    and request_id in (select request_id from sides)
)

select
    sides.feedback_id,
    sides.side,
    sides.request_id,
    sides.broken_rule,
    sides.inference_at,
    inferences.session_id,
    inferences.turn,
    inferences.user_id,
    {% for column in turn_columns() -%}
    inferences.{{ column }},
    {% endfor -%}
    {{ json_text('inferences.output', '$.text') }} as output_text,
    sides.inference_received_date,
    sides.known_date
from sides
inner join inferences
    on sides.inference_received_date = inferences.received_date
    and sides.inference_source_file = inferences.source_file
    and sides.inference_source_line = inferences.source_line
