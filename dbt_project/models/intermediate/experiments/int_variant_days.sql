{{ config(partition_column='partition_date') }}

with received as (
    select received_date, endpoint, variant, exposed
    from {{ ref('int_inference_receipts') }}
    where {{ in_window('received_date') }} and is_first and variant is not null
),

outcomes as (
    select * from {{ ref('int_outcome_changes') }} where {{ in_window('partition_date') }}
),

exposures as (
    select
        received_date as partition_date, received_date as inference_received_date, endpoint, variant,
        case when exposed is distinct from false then 'exposed' else 'unexposed' end as metric,
        count(*) as n, count(*)::double as total, count(*)::double as total_of_squares
    from received
    group by all
),

outcomes_of_day as (
    select
        partition_date, inference_received_date, endpoint, variant, metric,
        sum(n)::bigint as n,
        sum(total order by request_id) as total,
        sum(total_of_squares order by request_id) as total_of_squares
    from outcomes
    group by all
)

select * from exposures
union all
select * from outcomes_of_day
