{{ config(meta={'dagster': {'ref': {'name': 'partition_quality'}}, 'description': 'The dead letters that the gate counts are those that dead_letter keeps.'}) }}

-- The run's window only: dead letters of other days are not written again.
with kept as (
    select
        received_date as partition_date,
        count(*) filter (where stream = 'feedback') as feedback_dead_letters,
        count(*) filter (where stream = 'inferences') as inference_dead_letters
    from {{ ref('dead_letter') }}
    where {{ in_window('received_date') }}
    group by received_date
)

select
    quality.partition_date,
    quality.feedback_dead_letters, kept.feedback_dead_letters as feedback_kept,
    quality.inference_dead_letters, kept.inference_dead_letters as inferences_kept
from {{ ref('partition_quality') }} as quality
full join kept using (partition_date)
where {{ in_window('partition_date') }}
    and (
        coalesce(quality.feedback_dead_letters, 0) <> coalesce(kept.feedback_dead_letters, 0)
        or coalesce(quality.inference_dead_letters, 0) <> coalesce(kept.inference_dead_letters, 0)
    )
