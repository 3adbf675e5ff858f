{{ config(partition_column='partition_date') }}

with days as (
    {{ comparison_rows(ref('int_variant_days')) }}
),

controls_declared as (
    {{ declared_controls() }}
),

shares_declared as (
    {{ declared_shares() }}
),

sums as (
    select
        as_of, endpoint, variant, metric,
        sum(n) as n,
        sum(total order by partition_date, inference_received_date) as total,
        sum(total_of_squares order by partition_date, inference_received_date) as total_of_squares,
        coalesce(sum(n) filter (where partition_date = as_of), 0) as day_n,
        sum(total order by inference_received_date) filter (where partition_date = as_of) as day_total,
        min(partition_date) as first_date
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
        coalesce(sum(day_n) filter (where metric = 'feedback'), 0) as day_with_feedback,
        min(first_date) filter (where metric = 'exposed') as first_exposed_date
    from sums
    group by as_of, endpoint, variant
),

-- The arm that was there first is the one that the others are tried against.
first_arms as (
    select as_of, endpoint, variant
    from arms
    qualify row_number() over (
        partition by as_of, endpoint order by first_exposed_date nulls last, exposed desc, variant
    ) = 1
),

controls as (
    select
        first_arms.as_of, first_arms.endpoint,
        coalesce(controls_declared.variant, first_arms.variant) as control_variant
    from first_arms
    left join controls_declared on first_arms.endpoint = controls_declared.endpoint
),

-- Declared arms without traffic are part of the test: an arm that gets none is the plainest mismatch.
counted_shares as (
    select
        endpoints.as_of, endpoints.endpoint, shares_declared.variant, shares_declared.share,
        coalesce(arms.exposed, 0) as exposed
    from (select distinct as_of, endpoint from arms) as endpoints
    inner join shares_declared on endpoints.endpoint = shares_declared.endpoint
    left join arms
        on endpoints.as_of = arms.as_of and endpoints.endpoint = arms.endpoint
        and shares_declared.variant = arms.variant
),

share_tests as (
    select
        as_of, endpoint,
        {{ share_mismatch_p_value(
            'count(*)', 'sum(exposed)',
            'sum(' ~ log_gamma('1 + exposed') ~ ' order by variant)', 'sum(exposed * ln(share) order by variant)'
        ) }} as srm_p_value
    from counted_shares
    group by as_of, endpoint
),

undeclared_arms as (
    select distinct arms.as_of, arms.endpoint
    from arms
    left join shares_declared on arms.endpoint = shares_declared.endpoint and arms.variant = shares_declared.variant
    where arms.exposed > 0 and shares_declared.variant is null
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
        case
            when is_share and n > 0 then {{ share_variance('total', 'n') }} / n
            else {{ sample_variance('n', 'total', 'total_of_squares') }} / n
        end as squared_error
    from observed
),

-- The sequence is asymptotic: from so many observations an arm on it keeps its promise (tests/test_statistics.py).
compared as (
    select
        described.*,
        controls.control_variant,
        described.mean - control.mean as difference,
        described.n + control.n as both_n,
        case
            when least(described.n, control.n) >= {{ var('comparison_min_n') }}
            then nullif(described.squared_error + control.squared_error, 0)
        end as difference_squared_error
    from described
    inner join controls
        on described.as_of = controls.as_of and described.endpoint is not distinct from controls.endpoint
    left join described as control
        on described.as_of = control.as_of and described.endpoint is not distinct from control.endpoint
        and described.metric = control.metric and controls.control_variant = control.variant
        and described.variant <> control.variant
),

tested as (
    select
        *,
        {{ anytime_half_width('both_n', 'difference_squared_error', var('comparison_tuned_for')) }} as half_width,
        case when difference_squared_error > 0 then {{ anytime_p_value(
            'difference', 'both_n', 'difference_squared_error', var('comparison_tuned_for')
        ) }} end as p_value
    from compared
),

final as (
    select
        tested.as_of as partition_date,
        tested.endpoint,
        tested.variant,
        tested.metric,
        tested.control_variant,
        tested.variant = tested.control_variant as is_control,
        tested.day_exposed::bigint as day_exposed,
        tested.day_unexposed::bigint as day_unexposed,
        tested.day_with_feedback::bigint as day_with_feedback,
        tested.day_n::bigint as day_n,
        tested.day_total::double as day_total,
        tested.exposed::bigint as exposed,
        tested.unexposed::bigint as unexposed,
        tested.with_feedback::bigint as with_feedback,
        (tested.with_feedback / nullif(tested.exposed, 0))::double as feedback_rate,
        case when tested.exposed > 0 then {{ wilson_bound('tested.with_feedback', 'tested.exposed', '-') }} end as feedback_rate_low,
        case when tested.exposed > 0 then {{ wilson_bound('tested.with_feedback', 'tested.exposed', '+') }} end as feedback_rate_high,
        tested.n::bigint as n,
        tested.mean,
        case
            when tested.is_share and tested.n > 0 then {{ wilson_bound('tested.total', 'tested.n', '-') }}
            when not tested.is_share then tested.mean - {{ z_95() }} * sqrt(tested.squared_error)
        end as mean_low,
        case
            when tested.is_share and tested.n > 0 then {{ wilson_bound('tested.total', 'tested.n', '+') }}
            when not tested.is_share then tested.mean + {{ z_95() }} * sqrt(tested.squared_error)
        end as mean_high,
        tested.difference,
        tested.difference - tested.half_width as difference_low,
        tested.difference + tested.half_width as difference_high,
        tested.p_value,
        tested.p_value < 0.05 as is_decided,
        case when undeclared_arms.as_of is null then share_tests.srm_p_value end as srm_p_value,
        case when undeclared_arms.as_of is null then share_tests.srm_p_value < 0.05 end as has_srm,
        case
            when share_tests.as_of is null then 'no_expected_shares'
            when undeclared_arms.as_of is not null then 'arm_without_expected_share'
        end as srm_reason
    from tested
    left join share_tests on tested.as_of = share_tests.as_of and tested.endpoint = share_tests.endpoint
    left join undeclared_arms on tested.as_of = undeclared_arms.as_of and tested.endpoint = undeclared_arms.endpoint
)

select * from final
