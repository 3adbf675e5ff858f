{#
    What a run's variables declare of experiments, as rows: which arm others are compared with, and which shares of the
    traffic they should have.
#}
{% macro declared_controls() -%}
    select null::varchar as endpoint, null::varchar as variant where false
    {%- for endpoint, variant in var('control_variants').items() %}
    union all
    select {{ text_literal(endpoint) }}, {{ text_literal(variant) }}
    {%- endfor %}
{%- endmacro %}

{% macro declared_shares() -%}
    select null::varchar as endpoint, null::varchar as variant, null::double as share where false
    {%- for endpoint, shares in var('expected_shares').items() %}
    {%- for variant, share in shares.items() %}
    union all
    select {{ text_literal(endpoint) }}, {{ text_literal(variant) }}, {{ share }} / {{ shares.values() | sum }}
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{% macro text_literal(value) -%}
    '{{ value | replace("'", "''") }}'
{%- endmacro %}

{#
    The partitions of the run's window, and of a relation of days the rows that each of them looks at: what became known
    in its last `comparison_window_days` about inferences that were received in them. A day's feedback counts with the
    inference that it is about, so that no hit is counted without its exposure.
#}
{% macro comparison_rows(days) -%}
    select partitions.received_date as as_of, days.*
    from {{ ledger_days('inferences') }} as partitions
    inner join {{ days }} as days
        on days.partition_date <= partitions.received_date
        and days.partition_date > partitions.received_date - {{ var('comparison_window_days') }}
        and days.inference_received_date > partitions.received_date - {{ var('comparison_window_days') }}
    where {{ in_window('partitions.received_date') }}
{%- endmacro %}
