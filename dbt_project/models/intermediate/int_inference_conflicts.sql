{{ config(partition_column='received_date') }}

{#- The columns that make up an inference's content; the line's place and schema version do not. -#}
{%- set plain = ['inference_at', 'model_version', 'model_name', 'variant', 'endpoint', 'session_id', 'turn',
                 'user_id', 'exposed', 'propensity'] + new_inference_columns() -%}
{%- set json = ['params', 'input', 'output', 'components', 'system', 'extras'] -%}

with receipts as (
    select * from {{ ref('int_inference_receipts') }}
),

repeated as (
    select request_id, received_date, source_file, source_line
    from receipts
    where not is_first and {{ in_window('received_date') }}
),

first_received as (
    select receipts.request_id, receipts.received_date, receipts.source_file, receipts.source_line
    from receipts
    where receipts.is_first and receipts.request_id in (select request_id from repeated)
),

places as (
    select * from repeated
    union all
    select * from first_received
),

contents as (
    select inferences.*
    from {{ ref('stg_inferences') }} as inferences
    inner join places
        on inferences.received_date = places.received_date
        and inferences.source_file = places.source_file
        and inferences.source_line = places.source_line
    where inferences.received_date in ({{ hit_days(ref('int_inference_receipts'), 'received_date', "request_id in (select request_id from " ~ ref('int_inference_receipts') ~ " where not is_first and " ~ in_window('received_date') ~ ")") }})
),

compared as (
    select
        again.*,
        {% for column in plain -%}
        again.{{ column }} is distinct from original.{{ column }} or
        {% endfor -%}
        {% for column in json -%}
        {{ canonical_json('again.' ~ column) }} is distinct from {{ canonical_json('original.' ~ column) }}
        {{- ' or' if not loop.last }}
        {% endfor -%}
        as is_different
    from repeated
    inner join contents as again
        on repeated.received_date = again.received_date
        and repeated.source_file = again.source_file
        and repeated.source_line = again.source_line
    inner join first_received on repeated.request_id = first_received.request_id
    inner join contents as original
        on first_received.received_date = original.received_date
        and first_received.source_file = original.source_file
        and first_received.source_line = original.source_line
    where not coalesce(again.is_text_expired or original.is_text_expired, false)
),

final as (
    select
        request_id, received_date, source_file, source_line,
        -- The ledger keeps a sound line's fields, not its text: the event is written out again from them.
        {{ event_json(
            {
                'request_id': 'request_id',
                'timestamp': "strftime(inference_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
            },
            plain | reject('equalto', 'inference_at'), json | reject('equalto', 'extras'), 'extras'
        ) }} as raw
    from compared
    where is_different
),

-- What was found before the texts of one of both went.
findings as (
    select kept.*
    from (
        {{ text_findings('int_inference_conflicts', {
            'request_id': 'VARCHAR', 'received_date': 'DATE', 'source_file': 'VARCHAR', 'source_line': 'BIGINT',
            'raw': 'VARCHAR',
        }) }}
    ) as kept
    semi join repeated using (received_date, source_file, source_line)
)

select * from final
union all by name
select * from findings
