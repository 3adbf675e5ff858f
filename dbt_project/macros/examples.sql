{#
    Whether feedback is about one answer: not about a chunk, a component or a whole session, which says nothing of it.
    `feedback` has the columns of `attributed_feedback`.
#}
{% macro is_about_the_answer(feedback) -%}
    coalesce({{ feedback }}.target_kind, 'output') in ('output', 'turn')
    and not {{ is_on_session(feedback, 'matched_by') }}
{%- endmacro %}
