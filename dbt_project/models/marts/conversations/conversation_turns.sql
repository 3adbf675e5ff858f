{{ config(partition_column='known_date') }}

with turns as (
    select * from {{ ref('int_conversation_turns') }} where {{ in_window('known_date') }}
),

inferences as (
    select * from {{ ref('stg_inferences') }}
    where received_date in (
        {{ hit_days(ref('int_conversation_turns'), 'received_date', in_window('known_date')) }}
    )
)

select
    turns.session_id,
    turns.turn,
    turns.request_id,
    turns.inference_at,
    {% for column in turn_columns() -%}
    inferences.{{ column }},
    {% endfor -%}
    {{ json_text('inferences.output', '$.text') }} as output_text,
    turns.received_date as inference_received_date,
    turns.known_date
from turns
inner join inferences
    on turns.received_date = inferences.received_date
    and turns.source_file = inferences.source_file
    and turns.source_line = inferences.source_line
