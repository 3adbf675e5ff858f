{{ config(partition_column='partition_date') }}

-- The confidence sequence of each arm's difference to its control, on the days on which both were shown: it holds only
-- over what adds up from one start, so it looks at no window that moves.
with comparisons as (
    select * from {{ ref('int_variant_controls') }}
    where {{ in_window('partition_date') }} and compared_from is not null
),

pairs as (
    select distinct endpoint, variant, control_variant, compared_from from comparisons
),

days as (
    select * from {{ ref('int_variant_days') }}
    where partition_date <= date '{{ var("window_to") }}' and metric not in ('unexposed', 'feedback')
),

shown as (
    select distinct endpoint, variant, inference_received_date from days where metric = 'exposed'
),

days_together as (
    select pairs.*, arm.inference_received_date
    from pairs
    inner join shown as arm on pairs.endpoint is not distinct from arm.endpoint and pairs.variant = arm.variant
    inner join shown as control
        on pairs.endpoint is not distinct from control.endpoint and pairs.control_variant = control.variant
        and arm.inference_received_date = control.inference_received_date
    where arm.inference_received_date >= pairs.compared_from
),

changes as (
    select
        days_together.* exclude (inference_received_date),
        days.partition_date, days.metric, days.variant = days_together.control_variant as is_of_control,
        days.n, days.total, days.total_of_squares
    from days_together
    inner join days
        on days_together.endpoint is not distinct from days.endpoint
        and days.variant in (days_together.variant, days_together.control_variant)
        and days_together.inference_received_date = days.inference_received_date
),

signals as (
    select endpoint, variant, control_variant, compared_from, metric, min(partition_date) as first_date
    from changes
    where starts_with(metric, 'signal:')
    group by endpoint, variant, control_variant, compared_from, metric
),

-- Of a signal each shown output is an observation, hit or not; of the reward each judgement is one.
observations as (
    select
        endpoint, variant, control_variant, compared_from, metric, partition_date, is_of_control,
        n, total, total_of_squares
    from changes
    where metric = 'reward'
    union all
    select
        endpoint, variant, control_variant, compared_from, metric, partition_date, is_of_control,
        0, total, total_of_squares
    from changes
    where starts_with(metric, 'signal:')
    union all
    select
        changes.endpoint, changes.variant, changes.control_variant, changes.compared_from, signals.metric,
        changes.partition_date, changes.is_of_control, changes.n, 0, 0
    from changes
    inner join signals
        on changes.endpoint is not distinct from signals.endpoint and changes.variant = signals.variant
        and changes.control_variant = signals.control_variant and changes.compared_from = signals.compared_from
    where changes.metric = 'exposed'
),

-- Decimals, because a sum of them is the same in whatever order and pieces it is made.
sums as (
    select
        endpoint, variant, control_variant, compared_from, metric, partition_date,
        {%- for column in ['n', 'total', 'total_of_squares'] %}
        {%- for arm in ['not is_of_control', 'is_of_control'] %}
        sum(coalesce(sum({{ column }}::decimal(38, 12)) filter (where {{ arm }}), 0)) over so_far::double
        as {{ 'control_' if loop.last }}{{ column }},
        {%- endfor %}
        {%- endfor %}
        starts_with(metric, 'signal:') as is_share
    from observations
    group by endpoint, variant, control_variant, compared_from, metric, partition_date
    window so_far as (
        partition by endpoint, variant, control_variant, compared_from, metric order by partition_date
        rows between unbounded preceding and current row
    )
),

-- The sequence is asymptotic: from so many observations an arm on it keeps its promise (tests/test_statistics.py).
errors as (
    select
        *,
        total / nullif(n, 0) - control_total / nullif(control_n, 0) as difference,
        case when least(n, control_n) >= {{ var('comparison_min_n') }} then nullif(
            {%- for arm in ['', 'control_'] %}
            case
                when is_share then {{ share_variance(arm ~ 'total', arm ~ 'n') }}
                else {{ sample_variance(arm ~ 'n', arm ~ 'total', arm ~ 'total_of_squares') }}
            end / {{ arm }}n {{ '+' if not loop.last }}
            {%- endfor %}, 0
        ) end as squared_error
    from sums
),

-- What was decided stays decided: the p-value is the smallest so far.
looks as (
    select
        *,
        {{ anytime_half_width('(n + control_n)', 'squared_error', var('comparison_tuned_for')) }} as half_width,
        min(case when squared_error is not null then {{ anytime_p_value(
            'difference', '(n + control_n)', 'squared_error', var('comparison_tuned_for')
        ) }} end) over (
            partition by endpoint, variant, control_variant, compared_from, metric order by partition_date
            rows between unbounded preceding and current row
        ) as p_value
    from errors
),

final as (
    select
        comparisons.partition_date,
        comparisons.endpoint,
        comparisons.variant,
        looks.metric,
        looks.n::bigint as n,
        looks.control_n::bigint as control_n,
        looks.difference,
        looks.difference - looks.half_width as difference_low,
        looks.difference + looks.half_width as difference_high,
        looks.p_value
    from comparisons
    inner join looks
        on comparisons.endpoint is not distinct from looks.endpoint and comparisons.variant = looks.variant
        and comparisons.control_variant = looks.control_variant and comparisons.compared_from = looks.compared_from
        and looks.partition_date <= comparisons.partition_date
    left join signals
        on looks.endpoint is not distinct from signals.endpoint and looks.variant = signals.variant
        and looks.control_variant = signals.control_variant and looks.compared_from = signals.compared_from
        and looks.metric = signals.metric
    where signals.first_date is null or signals.first_date <= comparisons.partition_date
    qualify row_number() over (
        partition by comparisons.partition_date, comparisons.endpoint, comparisons.variant, looks.metric
        order by looks.partition_date desc
    ) = 1
)

select * from final
