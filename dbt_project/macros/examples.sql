{#
    Whether feedback is about one answer: not about a chunk, a component or a whole session, which says nothing of it.
    `feedback` has the columns of `attributed_feedback`.
#}
{% macro is_about_the_answer(feedback) -%}
    coalesce({{ feedback }}.target_kind, 'output') in ('output', 'turn')
    and ({{ feedback }}.matched_by <> 'matched_session_id' or {{ feedback }}.target_kind = 'turn')
{%- endmacro %}
