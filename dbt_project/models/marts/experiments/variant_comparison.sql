{{ config(partition_column='partition_date') }}

with days as (
    {{ comparison_rows(ref('int_variant_days')) }}
),

controls as (
    select * from {{ ref('int_variant_controls') }} where {{ in_window('partition_date') }}
),

differences as (
    select * from {{ ref('int_variant_differences') }} where {{ in_window('partition_date') }}
),

splits as (
    select * from {{ ref('int_traffic_splits') }} where {{ in_window('partition_date') }}
),

experiments_declared as (
    {{ declared_experiments() }}
),

sums as (
    select
        as_of, endpoint, variant, metric,
        sum(n) as n,
        sum(total order by partition_date, inference_received_date) as total,
        sum(total_of_squares order by partition_date, inference_received_date) as total_of_squares,
        coalesce(sum(n) filter (where partition_date = as_of), 0) as day_n,
        sum(total order by inference_received_date) filter (where partition_date = as_of) as day_total
    from days
    group by as_of, endpoint, variant, metric
),

arms as (
    select
        as_of, endpoint, variant,
        coalesce(sum(n) filter (where metric = 'exposed'), 0) as exposed,
        coalesce(sum(n) filter (where metric = 'unexposed'), 0) as unexposed,
        coalesce(sum(n) filter (where metric = 'feedback'), 0) as with_feedback,
        coalesce(sum(day_n) filter (where metric = 'exposed'), 0) as day_exposed,
        coalesce(sum(day_n) filter (where metric = 'unexposed'), 0) as day_unexposed,
        coalesce(sum(day_n) filter (where metric = 'feedback'), 0) as day_with_feedback
    from sums
    group by as_of, endpoint, variant
),

metrics as (
    select as_of, endpoint, metric from sums where starts_with(metric, 'signal:')
    union
    select as_of, endpoint, 'reward' from arms
),

-- Of a signal each shown output is an observation: without feedback it has none. Of the reward each judgement is one.
observed as (
    select
        arms.*, metrics.metric,
        starts_with(metrics.metric, 'signal:') as is_share,
        case when starts_with(metrics.metric, 'signal:') then arms.exposed else coalesce(sums.n, 0) end as n,
        coalesce(sums.total, 0) as total,
        coalesce(sums.total_of_squares, 0) as total_of_squares,
        case when starts_with(metrics.metric, 'signal:') then arms.day_exposed else coalesce(sums.day_n, 0) end as day_n,
        coalesce(sums.day_total, 0) as day_total
    from arms
    inner join metrics on arms.as_of = metrics.as_of and arms.endpoint is not distinct from metrics.endpoint
    left join sums
        on arms.as_of = sums.as_of and arms.endpoint is not distinct from sums.endpoint
        and arms.variant = sums.variant and metrics.metric = sums.metric
),

described as (
    select
        *,
        total / nullif(n, 0) as mean,
        sqrt({{ sample_variance('n', 'total', 'total_of_squares') }} / n) as standard_error
    from observed
),

final as (
    select
        described.as_of as partition_date,
        described.endpoint,
        described.variant,
        described.metric,
        controls.control_variant,
        coalesce(described.variant = controls.control_variant, false) as is_control,
        described.day_exposed::bigint as day_exposed,
        described.day_unexposed::bigint as day_unexposed,
        described.day_with_feedback::bigint as day_with_feedback,
        described.day_n::bigint as day_n,
        described.day_total::double as day_total,
        described.exposed::bigint as exposed,
        described.unexposed::bigint as unexposed,
        described.with_feedback::bigint as with_feedback,
        (described.with_feedback / nullif(described.exposed, 0))::double as feedback_rate,
        {%- for bound, sign in {'low': '-', 'high': '+'}.items() %}
        case
            when described.exposed > 0 then {{ wilson_bound('described.with_feedback', 'described.exposed', sign) }}
        end as feedback_rate_{{ bound }},
        {%- endfor %}
        described.n::bigint as n,
        described.mean,
        {%- for bound, sign in {'low': '-', 'high': '+'}.items() %}
        case
            when described.is_share and described.n > 0 then {{ wilson_bound('described.total', 'described.n', sign) }}
            when not described.is_share then described.mean {{ sign }} {{ z_95() }} * described.standard_error
        end as mean_{{ bound }},
        {%- endfor %}
        controls.compared_from,
        differences.n as compared_n,
        differences.control_n as compared_control_n,
        differences.difference,
        differences.difference_low,
        differences.difference_high,
        differences.p_value,
        differences.p_value < 0.05 as is_decided,
        splits.p_value as srm_p_value,
        splits.p_value < 0.05 as has_srm,
        case
            when not coalesce(experiments_declared.has_shares, false) then 'no_expected_shares'
            when splits.partition_date is null then 'not_started'
            else splits.reason
        end as srm_reason
    from described
    left join controls
        on described.as_of = controls.partition_date and described.endpoint is not distinct from controls.endpoint
        and described.variant = controls.variant
    left join differences
        on described.as_of = differences.partition_date and described.endpoint is not distinct from differences.endpoint
        and described.variant = differences.variant and described.metric = differences.metric
    left join splits on described.as_of = splits.partition_date and described.endpoint = splits.endpoint
    left join experiments_declared on described.endpoint = experiments_declared.endpoint
)

select * from final
