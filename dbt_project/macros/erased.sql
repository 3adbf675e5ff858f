{# Of an erased line the ledger has a tombstone: it is neither sound nor a dead letter, and counts as nothing but erased. #}
{% macro is_erased(lines) -%}
    {{ lines ~ '.' if lines }}dead_letter_reason is not distinct from 'erased'
{%- endmacro %}

{% macro is_dead_letter(lines) -%}
    {{ lines ~ '.' if lines }}dead_letter_reason <> 'erased'
{%- endmacro %}
