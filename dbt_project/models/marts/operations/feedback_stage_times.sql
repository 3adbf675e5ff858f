{{ config(materialized='view') }}

with stage_times as (
    select stage, partition_date, source_file, done_at from {{ source('operations', 'stage_times') }}
),

-- A rebuilt partition is done again: all times are kept, and the first that can have held the event is looked for.
partition_times as (
    select stage, partition_date, done_at from stage_times where source_file is null
),

feedback as (
    select feedback_id, feedback_at, feedback_received_date, feedback_source_file, attributed_date
    from {{ ref('attributed_feedback') }}
),

files as (
    select
        partition_date, source_file,
        min(done_at) filter (where stage = 'landed') as landed_at,
        min(done_at) filter (where stage = 'loaded') as loaded_at,
        min(done_at) filter (where stage = 'validated') as validated_at
    from stage_times
    where source_file is not null
    group by partition_date, source_file
),

routes as (
    select distinct feedback_received_date, feedback_source_file, attributed_date from feedback
),

with_files as (
    select routes.*, files.landed_at, files.loaded_at, files.validated_at
    from routes
    left join files
        on routes.feedback_received_date = files.partition_date and routes.feedback_source_file = files.source_file
),

with_attribution as (
    select with_files.*, min(partition_times.done_at) as attributed_at
    from with_files
    left join partition_times
        on with_files.attributed_date = partition_times.partition_date
        and partition_times.stage = 'attributed' and partition_times.done_at >= with_files.validated_at
    group by all
),

with_publication as (
    select with_attribution.*, min(partition_times.done_at) as published_at
    from with_attribution
    left join partition_times
        on with_attribution.attributed_date = partition_times.partition_date
        and partition_times.stage = 'published' and partition_times.done_at >= with_attribution.attributed_at
    group by all
),

final as (
    select
        feedback.feedback_id, feedback.feedback_at, with_publication.landed_at, with_publication.loaded_at,
        with_publication.validated_at, with_publication.attributed_at, with_publication.published_at,
        feedback.attributed_date
    from feedback
    inner join with_publication
        on feedback.feedback_received_date = with_publication.feedback_received_date
        and feedback.feedback_source_file = with_publication.feedback_source_file
        and feedback.attributed_date = with_publication.attributed_date
)

select * from final
