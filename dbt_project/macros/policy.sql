{#
    What a logging policy did, as off-policy estimates need it: the cell that it chose in, what it chose, and with which
    probability. A cell is the slot that was filled (`input.features.position`), where there are several. Text is told
    by its hash: as an action it is only compared, and what users may have said stays where it is.
#}
{% macro policy_columns(inferences) -%}
    case when {{ inferences }}.propensity > 0
        then coalesce({{ json_text(inferences ~ '.input', '$.features.position') }}, '')
    end as cell,
    case when {{ inferences }}.propensity > 0
        then coalesce(
            {{ json_text(inferences ~ '.output', '$.label') }},
            md5({{ json_text(inferences ~ '.output', '$.text') }}),
            -- What is left of a text whose lifetime is over.
            {{ json_text(inferences ~ '.output', '$.text_md5') }}
        )
    end as action,
    {{ significant_digits(inferences ~ '.propensity', 4) }} as propensity
{%- endmacro %}

{#
    A positive number with so many digits that count; null for any other. Propensities come in as many values as there
    are inferences: in four digits they are few, and an estimate is off by less than one in a thousand.
#}
{% macro significant_digits(number, digits) -%}
    case when {{ number }} > 0
        then round({{ number }}::double, least(15, {{ digits - 1 }} - floor(log10({{ number }}))::integer))
    end
{%- endmacro %}
