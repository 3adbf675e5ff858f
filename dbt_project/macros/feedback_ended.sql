{#
    The attributed feedback that did not hold any more at the end of a partition, and why: superseded, retracted,
    rejected by a reviewer, or contested (flagged after its attribution, and not decided on yet).
#}
{% macro feedback_ended(as_of) -%}
with supersessions as (
    select feedback_id, cause, by_feedback_id, effective_date
    from {{ ref('int_feedback_supersessions') }}
    where effective_date <= {{ as_of }}
),

last_standings as (
    select
        feedback_id,
        max_by(standing, effective_date) as standing,
        max(effective_date) as effective_date
    from {{ ref('int_feedback_standings') }}
    where effective_date <= {{ as_of }}
    group by feedback_id
),

causes as (
    select feedback_id, cause, by_feedback_id, effective_date from supersessions
    union all
    select feedback_id, standing, null, effective_date from last_standings where standing <> 'in_force'
),

-- What was said last of a feedback that ended twice does not bring it back: the first cause is told. A contested
-- one may come back, so any other cause goes before it.
final as (
    select feedback_id, cause, by_feedback_id, effective_date
    from causes
    qualify row_number() over (
        partition by feedback_id order by cause = 'contested', effective_date, cause
    ) = 1
)

select * from final
{%- endmacro %}

{# The rows of a relation that were attributed by the end of a partition, and of which the feedback still held then. #}
{% macro held(relation, as_of) -%}
    select rows_of_feedback.*
    from {{ relation }} as rows_of_feedback
    anti join ({{ feedback_ended(as_of) }}) as ended on rows_of_feedback.feedback_id = ended.feedback_id
    where rows_of_feedback.attributed_date <= {{ as_of }}
{%- endmacro %}
