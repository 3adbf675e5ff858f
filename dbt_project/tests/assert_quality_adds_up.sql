{{ config(meta={'description': 'No count of a partition\'s quality is negative: the parts never exceed the lines.'}) }}

-- Two of the counts are what remains of the others. One row a day: all of history costs nothing.
select *
from {{ ref('partition_quality') }}
where feedback_pending < 0
    or inference_duplicates < 0
    or inference_dead_letters + inference_duplicates > inference_lines
