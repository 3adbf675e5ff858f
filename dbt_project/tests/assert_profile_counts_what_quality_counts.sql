{{ config(meta={'dagster': {'ref': {'name': 'partition_profile'}}, 'description': 'The profile counts the lines and states that the partition\'s quality counts: both gates speak of one day.'}) }}

with profile as (
    select
        partition_date,
        coalesce(sum(part) filter (where stream = 'feedback' and dimension = 'volume'), 0) as feedback_lines,
        coalesce(sum(part) filter (where stream = 'inferences' and dimension = 'volume'), 0) as inference_lines,
        {% for state in ['dead_letter', 'duplicate', 'invalid', 'pending'] -%}
        coalesce(sum(part) filter (where stream = 'feedback' and dimension = 'state' and value = '{{ state }}'), 0)
            as feedback_{{ state }},
        {% endfor -%}
        coalesce(sum(part) filter (where stream = 'inferences' and dimension = 'dead_letter'), 0)
            as inference_dead_letters
    from {{ ref('partition_profile') }}
    where {{ in_window('partition_date') }}
    group by partition_date
)

select quality.partition_date, profile.*
from {{ ref('partition_quality') }} as quality
full join profile using (partition_date)
where {{ in_window('partition_date') }}
    and (
        quality.feedback_lines is distinct from profile.feedback_lines
        or quality.inference_lines is distinct from profile.inference_lines
        or quality.feedback_dead_letters is distinct from profile.feedback_dead_letter
        or quality.feedback_duplicates is distinct from profile.feedback_duplicate
        or quality.feedback_invalid is distinct from profile.feedback_invalid
        or quality.feedback_pending is distinct from profile.feedback_pending
        or quality.inference_dead_letters is distinct from profile.inference_dead_letters
    )
