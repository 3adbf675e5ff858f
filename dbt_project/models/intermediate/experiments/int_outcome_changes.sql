{{ config(partition_column='partition_date') }}

-- What each day changed in what feedback says of an inference. Days add up: what held by the end of a day is the sum
-- of the changes up to it, so that no reader of experiments looks at the history again.
with pairs as (
    select
        feedback_id, request_id, attributed_date, inference_received_date, endpoint, variant, reward, signal,
        exposed, propensity
    from {{ ref('attributed_feedback') }}
    where attributed_date <= date '{{ var("window_to") }}' and feedback_type <> 'retraction'
        and variant is not null and exposed is distinct from false
),

supersessions as (
    select feedback_id, effective_date from {{ ref('int_feedback_supersessions') }}
    where effective_date <= date '{{ var("window_to") }}'
),

standings as (
    select feedback_id, effective_date, standing from {{ ref('int_feedback_standings') }}
    where effective_date <= date '{{ var("window_to") }}'
),

changed_now as (
    select feedback_id from pairs where {{ in_window('attributed_date') }}
    union
    select feedback_id from supersessions where {{ in_window('effective_date') }}
    union
    select feedback_id from standings where {{ in_window('effective_date') }}
),

-- A request that has a click has one, whether it was clicked once or twice: all feedback on it is looked at.
touched as (
    select *
    from pairs
    where request_id in (select pairs.request_id from pairs inner join changed_now using (feedback_id))
),

events as (
    select feedback_id, attributed_date as partition_date, 'in_force' as standing, false as is_over from touched
    union all
    select feedback_id, effective_date, null, true from supersessions
    where feedback_id in (select feedback_id from touched)
    union all
    select feedback_id, effective_date, standing, false from standings
    where feedback_id in (select feedback_id from touched)
),

-- A standing of the day of the attribution does not exist: it comes after it.
events_of_day as (
    select
        feedback_id, partition_date, bool_or(is_over) as is_over,
        bool_and(standing = 'in_force') filter (where standing is not null) as is_in_force
    from events
    group by feedback_id, partition_date
),

holds as (
    select
        feedback_id, partition_date,
        (
            not bool_or(is_over) over so_far and last_value(is_in_force ignore nulls) over so_far
        )::integer as holds
    from events_of_day
    window so_far as (
        partition by feedback_id order by partition_date
        rows between unbounded preceding and current row
    )
),

feedback_changes as (
    select
        holds.feedback_id, holds.partition_date, touched.request_id, touched.reward, touched.signal,
        holds.holds - lag(holds.holds, 1, 0) over (
            partition by holds.feedback_id order by holds.partition_date
        ) as change
    from holds
    inner join touched on holds.feedback_id = touched.feedback_id
),

rewards as (
    select
        request_id, partition_date, 'reward' as metric,
        sum(change) as n,
        sum(change * reward order by feedback_id) as total,
        sum(change * reward * reward order by feedback_id) as total_of_squares,
        sum(change * reward * reward * reward order by feedback_id) as total_of_cubes
    from feedback_changes
    where reward is not null
    group by request_id, partition_date
),

-- What an inference has or has not, however often it was said.
marks as (
    select request_id, partition_date, 'feedback' as metric, change from feedback_changes
    union all
    select request_id, partition_date, 'signal:' || signal, change from feedback_changes where signal is not null
),

mark_counts as (
    select
        request_id, partition_date, metric,
        sum(sum(change)) over (
            partition by request_id, metric order by partition_date
            rows between unbounded preceding and current row
        ) > 0 as is_marked
    from marks
    group by request_id, partition_date, metric
),

mark_changes as (
    select
        request_id, partition_date, metric,
        is_marked::integer - lag(is_marked::integer, 1, 0) over (
            partition by request_id, metric order by partition_date
        ) as change
    from mark_counts
),

changes as (
    select request_id, partition_date, metric, n, total, total_of_squares, total_of_cubes from rewards
    union all
    select request_id, partition_date, metric, change, change, change, change from mark_changes
),

-- All feedback on a request is about the one line of it that was received first.
requests as (
    select
        attributed_feedback.request_id, attributed_feedback.inference_received_date, attributed_feedback.endpoint,
        attributed_feedback.variant,
        {{ policy_columns('attributed_feedback') }}
    from {{ ref('attributed_feedback') }} as attributed_feedback
    where attributed_feedback.feedback_id in (select min(feedback_id) from touched group by request_id)
        and attributed_feedback.attributed_date in (select attributed_date from touched)
),

final as (
    select
        changes.partition_date,
        requests.inference_received_date,
        changes.request_id,
        requests.endpoint,
        requests.variant,
        requests.cell,
        requests.action,
        requests.propensity,
        changes.metric,
        changes.n::bigint as n,
        changes.total::double as total,
        changes.total_of_squares::double as total_of_squares,
        changes.total_of_cubes::double as total_of_cubes
    from changes
    inner join requests on changes.request_id = requests.request_id
    where {{ in_window('changes.partition_date') }}
        and (changes.n <> 0 or changes.total <> 0 or changes.total_of_squares <> 0)
)

select * from final
