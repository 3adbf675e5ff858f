{{ config(partition_column='partition_date') }}

with days as (
    {{ comparison_rows(ref('int_policy_days')) }}
),

sums as (
    select
        as_of, endpoint, variant, cell, action, propensity, metric,
        sum(n) as n,
        sum(total order by partition_date, inference_received_date) as total,
        sum(total_of_squares order by partition_date, inference_received_date) as total_of_squares,
        sum(total_of_cubes order by partition_date, inference_received_date) as total_of_cubes
    from days
    group by as_of, endpoint, variant, cell, action, propensity, metric
),

exposures as (
    select * from sums where metric = 'exposed' and n > 0
),

signals as (
    select distinct as_of, endpoint, metric from sums where starts_with(metric, 'signal:')
),

-- Of a signal each logged output is an observation, of the reward each judgement.
logged as (
    select
        exposures.as_of, exposures.endpoint, exposures.variant, exposures.cell, exposures.action, exposures.propensity,
        signals.metric, exposures.n,
        coalesce(sums.total, 0) as total, coalesce(sums.total_of_squares, 0) as total_of_squares,
        coalesce(sums.total_of_cubes, 0) as total_of_cubes
    from exposures
    inner join signals
        on exposures.as_of = signals.as_of and exposures.endpoint is not distinct from signals.endpoint
    left join sums
        on exposures.as_of = sums.as_of and exposures.endpoint is not distinct from sums.endpoint
        and exposures.variant = sums.variant and exposures.cell = sums.cell and exposures.action = sums.action
        and exposures.propensity = sums.propensity and signals.metric = sums.metric
    union all
    select as_of, endpoint, variant, cell, action, propensity, metric, n, total, total_of_squares, total_of_cubes
    from sums
    where metric = 'reward' and n > 0
),

-- How often an arm took an action: over time its probability is the harmonic mean of what it logged when it took it.
-- The plain mean is too high, because an action is logged more often on the days on which it is likelier.
frequencies as (
    select
        as_of, endpoint, variant, cell, action,
        sum(n) / sum(n / propensity order by propensity) as frequency
    from exposures
    group by as_of, endpoint, variant, cell, action
),

targets as (
    select
        *,
        frequency / sum(frequency) over (
            partition by as_of, endpoint, variant, cell order by action
            rows between unbounded preceding and unbounded following
        ) as probability
    from frequencies
),

cell_means as (
    select
        as_of, endpoint, variant, metric, cell,
        sum(total order by action, propensity) / sum(n) as mean
    from logged
    group by as_of, endpoint, variant, metric, cell
),

-- The direct model of DR: an action's mean, drawn towards its cell's as if that had been seen in so many observations.
action_means as (
    select
        logged.as_of, logged.endpoint, logged.variant, logged.metric, logged.cell, logged.action,
        (sum(logged.total order by logged.propensity) + {{ var('off_policy_shrinkage') }} * max(cell_means.mean))
        / (sum(logged.n) + {{ var('off_policy_shrinkage') }}) as mean
    from logged
    inner join cell_means
        on logged.as_of = cell_means.as_of and logged.endpoint is not distinct from cell_means.endpoint
        and logged.variant = cell_means.variant and logged.metric = cell_means.metric
        and logged.cell = cell_means.cell
    group by all
),

-- What the direct model expects of the target in each cell, and how much of what the target does the log has seen.
cell_values as (
    select
        cell_means.as_of, cell_means.endpoint, cell_means.variant as logged_by_variant, cell_means.metric,
        cell_means.cell, targets.variant as target_variant,
        sum(targets.probability * coalesce(action_means.mean, cell_means.mean) order by targets.action) as target_mean,
        coalesce(
            sum(targets.probability order by targets.action) filter (where action_means.mean is not null), 0
        ) as support
    from cell_means
    inner join targets
        on cell_means.as_of = targets.as_of and cell_means.endpoint is not distinct from targets.endpoint
        and cell_means.variant <> targets.variant and cell_means.cell = targets.cell
    left join action_means
        on cell_means.as_of = action_means.as_of and cell_means.endpoint is not distinct from action_means.endpoint
        and cell_means.variant = action_means.variant and cell_means.metric = action_means.metric
        and cell_means.cell = action_means.cell and targets.action = action_means.action
    group by all
),

-- For each group of equal observations its weight, and what DR adds to each of them besides the weighted outcome.
weighted as (
    select
        logged.as_of, logged.endpoint, logged.metric, cell_values.target_variant, cell_values.logged_by_variant,
        logged.cell, logged.action, logged.propensity, logged.n,
        logged.total, logged.total_of_squares, logged.total_of_cubes,
        cell_values.support,
        coalesce(targets.probability, 0) / logged.propensity as weight,
        cell_values.target_mean
        - coalesce(targets.probability, 0) / logged.propensity * action_means.mean as model_part
    from logged
    inner join cell_values
        on logged.as_of = cell_values.as_of and logged.endpoint is not distinct from cell_values.endpoint
        and logged.variant = cell_values.logged_by_variant and logged.metric = cell_values.metric
        and logged.cell = cell_values.cell
    inner join action_means
        on logged.as_of = action_means.as_of and logged.endpoint is not distinct from action_means.endpoint
        and logged.variant = action_means.variant and logged.metric = action_means.metric
        and logged.cell = action_means.cell and logged.action = action_means.action
    left join targets
        on logged.as_of = targets.as_of and logged.endpoint is not distinct from targets.endpoint
        and cell_values.target_variant = targets.variant and logged.cell = targets.cell
        and logged.action = targets.action
),

moments as (
    select
        as_of, endpoint, metric, target_variant, logged_by_variant,
        sum(n) as n,
        {%- for name, term in {
            'support': 'n * support',
            'weights': 'n * weight',
            'squared_weights': 'n * weight * weight',
            'outcomes': 'weight * total',
            'squared_weight_outcomes': 'weight * weight * total',
            'squared_outcomes': 'weight * weight * total_of_squares',
            'robust': 'n * model_part + weight * total',
            'squared_robust': 'n * model_part * model_part + 2 * model_part * weight * total
                + weight * weight * total_of_squares',
            'cubed_robust': 'n * model_part ** 3 + 3 * model_part ** 2 * weight * total
                + 3 * model_part * weight ** 2 * total_of_squares + weight ** 3 * total_of_cubes',
            'cubed_weights': 'n * weight ** 3',
            'cubed_weight_outcomes': 'weight ** 3 * total',
            'cubed_weight_squares': 'weight ** 3 * total_of_squares',
            'cubed_outcomes': 'weight ** 3 * total_of_cubes',
        }.items() %}
        sum({{ term }} order by cell, action, propensity) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from weighted
    group by as_of, endpoint, metric, target_variant, logged_by_variant
),

estimates as (
    select
        *,
        outcomes / n as ips,
        outcomes / nullif(weights, 0) as snips,
        robust / n as dr
    from moments
),

errors as (
    select
        *,
        sqrt(greatest(0, squared_outcomes / n - ips * ips) / n) as ips_error,
        sqrt(greatest(
            0, squared_outcomes - 2 * snips * squared_weight_outcomes + snips * snips * squared_weights
        )) / nullif(weights, 0) as snips_error,
        sqrt(greatest(0, squared_robust / n - dr * dr) / n) as dr_error,
        -- Sums of the cubes of what each observation is above the estimate.
        cubed_outcomes - 3 * ips * squared_outcomes + 2 * n * ips ** 3 as ips_cubes,
        (
            cubed_outcomes - 3 * snips * cubed_weight_squares + 3 * snips ** 2 * cubed_weight_outcomes
            - snips ** 3 * cubed_weights
        ) * (n / nullif(weights, 0)) ** 3 as snips_cubes,
        cubed_robust - 3 * dr * squared_robust + 2 * n * dr ** 3 as dr_cubes
    from estimates
),

final as (
    select
        as_of as partition_date,
        endpoint,
        target_variant,
        logged_by_variant,
        metric,
        n::bigint as n,
        weights * weights / nullif(squared_weights, 0) as effective_n,
        support / n as support,
        {%- for method in ['ips', 'snips', 'dr'] %}
        {{ method }},
        {%- for bound, sign in {'low': '-', 'high': '+'}.items() %}
        {{ skewed_bound(method, method ~ '_error', method ~ '_cubes', 'n', sign) }} as {{ method }}_{{ bound }}
        {{- ',' if not loop.last }}
        {%- endfor %}{{ ',' if not loop.last }}
        {%- endfor %}
    from errors
)

select * from final
