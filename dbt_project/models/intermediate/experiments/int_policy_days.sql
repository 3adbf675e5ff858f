{{ config(partition_column='partition_date') }}

with first_lines as (
    select received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where {{ in_window('received_date') }} and is_first and variant is not null and exposed is distinct from false
),

lines as (
    select * from {{ ref('stg_inferences') }} where {{ in_window('received_date') }} and propensity > 0
),

logged as (
    select
        lines.received_date, lines.endpoint, lines.variant,
        {{ policy_columns('lines') }}
    from lines
    inner join first_lines using (received_date, source_file, source_line)
),

outcomes as (
    select * from {{ ref('int_outcome_changes') }} where {{ in_window('partition_date') }}
),

exposures as (
    select
        received_date as partition_date, received_date as inference_received_date, endpoint, variant,
        cell, action, propensity, 'exposed' as metric,
        count(*) as n, count(*)::double as total, count(*)::double as total_of_squares, count(*)::double as total_of_cubes
    from logged
    where action is not null
    group by all
),

outcomes_of_day as (
    select
        partition_date, inference_received_date, endpoint, variant,
        cell, action, propensity, metric,
        sum(n)::bigint as n,
        sum(total order by request_id) as total,
        sum(total_of_squares order by request_id) as total_of_squares,
        sum(total_of_cubes order by request_id) as total_of_cubes
    from outcomes
    where action is not null and propensity is not null
    group by all
)

select * from exposures
union all
select * from outcomes_of_day
