{#
    Every row's reason is one of its state's. The argument is STATE_REASONS of
    orchestration/contracts/reasons.py: an accepted list for the reason alone would let a `pending` line say
    `unknown_request`. `with_rules` allows what the rules of models/rules declare, too.
#}
{% test reason_belongs_to_state(model, reasons, with_rules=false) %}

with judged as (
    select state, reason from {{ model }}
),

allowed (state, reason) as (
    values
    {% for rule in declared_rules() if with_rules -%}
    ('{{ rule.state }}', '{{ rule.reason }}'),
    {% endfor -%}
    {% for state, codes in reasons.items() -%}
        {%- set is_last_state = loop.last -%}
        {%- for code in codes %}
        ('{{ state }}', '{{ code }}'){{ ',' if not (loop.last and is_last_state) }}
        {%- endfor -%}
    {%- endfor %}
)

select judged.state, judged.reason, count(*) as occurrences
from judged
left join allowed
    on judged.state = allowed.state
    and judged.reason = allowed.reason
where allowed.reason is null
group by judged.state, judged.reason

{% endtest %}
