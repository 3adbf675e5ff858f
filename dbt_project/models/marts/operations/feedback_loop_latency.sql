{{ config(materialized='view') }}

with times as (
    select * from {{ ref('feedback_stage_times') }}
),

parts as (
    select attributed_date, 'transmission' as part, {{ seconds_between('feedback_at', 'landed_at') }} as seconds from times
    union all
    select attributed_date, 'landing', {{ seconds_between('landed_at', 'loaded_at') }} from times
    union all
    select attributed_date, 'validation', {{ seconds_between('loaded_at', 'validated_at') }} from times
    union all
    select attributed_date, 'attribution', {{ seconds_between('validated_at', 'attributed_at') }} from times
    union all
    select attributed_date, 'dataset', {{ seconds_between('attributed_at', 'published_at') }} from times
    union all
    select attributed_date, 'whole_loop', {{ seconds_between('feedback_at', 'published_at') }} from times
)

select
    attributed_date,
    part,
    count(seconds) as feedback,
    quantile_cont(seconds, 0.5) as p50_seconds,
    quantile_cont(seconds, 0.95) as p95_seconds,
    max(seconds) as max_seconds
from parts
where seconds is not null
group by attributed_date, part
