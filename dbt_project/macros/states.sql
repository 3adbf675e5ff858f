{# The states of CONTRACT section 3, in its order. orchestration/contracts/reasons.py has the same list. #}
{% macro states() -%}
    {{ return(['dead_letter', 'duplicate', 'invalid', 'requires_human_review', 'pending', 'attributed', 'erased']) }}
{%- endmacro %}
