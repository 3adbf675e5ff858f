{#
    What FEEDBACK_EXPERIMENTS declares (orchestration/lib/experiments.py), as rows: the arm that others are compared with,
    the first day that counts, and which share of the traffic each arm should have.
#}
{% macro declared_experiments() -%}
    select null::varchar as endpoint, null::varchar as control, null::date as since, null::boolean as has_shares where false
    {%- for endpoint, experiment in var('experiments').items() %}
    union all
    select
        {{ text_literal(endpoint) }}, {{ text_literal(experiment.control) if experiment.control else 'null' }},
        {{ "date '" ~ experiment.since ~ "'" if experiment.since else 'null' }},
        {{ 'true' if experiment.shares else 'false' }}
    {%- endfor %}
{%- endmacro %}

{% macro declared_shares() -%}
    select
        null::varchar as endpoint, null::varchar as variant, null::double as share, null::date as since
    where false
    {%- for endpoint, experiment in var('experiments').items() if experiment.shares %}
    {%- for variant, share in experiment.shares.items() %}
    union all
    select
        {{ text_literal(endpoint) }}, {{ text_literal(variant) }},
        {{ share }}::double / {{ experiment.shares.values() | sum }}, date '{{ experiment.since }}'
    {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{% macro text_literal(value) -%}
    '{{ value | replace("'", "''") }}'
{%- endmacro %}

{# How many outputs of each arm were shown on each day of the whole history up to the run's window. #}
{% macro shown_by_day(variant_days) -%}
    select endpoint, variant, inference_received_date as shown_date, sum(n) as n
    from {{ variant_days }}
    where metric = 'exposed' and inference_received_date <= date '{{ var("window_to") }}'
    group by endpoint, variant, inference_received_date
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
