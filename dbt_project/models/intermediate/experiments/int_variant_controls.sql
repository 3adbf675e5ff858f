{{ config(partition_column='partition_date') }}

-- Which arm each arm is compared with, and from which day on. The control is the arm that is shown and was shown first
-- of all, in the whole history: a window that moves on does not change it.
with declared as (
    {{ declared_experiments() }}
),

partitions as (
    select received_date as partition_date
    from {{ ledger_days('inferences') }} as ledger_days
    where {{ in_window('received_date') }}
),

shown as (
    {{ shown_by_day(ref('int_variant_days')) }}
),

first_shown as (
    select endpoint, variant, min(shown_date) as first_date, arg_min(n, shown_date) as first_n
    from shown
    group by endpoint, variant
),

arms as (
    select distinct partitions.partition_date, shown.endpoint, shown.variant
    from partitions
    inner join shown
        on shown.shown_date <= partitions.partition_date
        and shown.shown_date > partitions.partition_date - {{ var('comparison_window_days') }}
),

first_arms as (
    select arms.partition_date, arms.endpoint, arms.variant
    from arms
    inner join first_shown
        on arms.endpoint is not distinct from first_shown.endpoint and arms.variant = first_shown.variant
    qualify row_number() over (
        partition by arms.partition_date, arms.endpoint
        order by first_shown.first_date, first_shown.first_n desc, arms.variant
    ) = 1
),

controls as (
    select
        arms.partition_date, arms.endpoint, arms.variant,
        coalesce(declared.control, first_arms.variant) as control_variant
    from arms
    inner join first_arms
        on arms.partition_date = first_arms.partition_date and arms.endpoint is not distinct from first_arms.endpoint
    left join declared on arms.endpoint = declared.endpoint
),

-- An arm that was away for a whole window and comes back is another experiment, although it has its name.
days_together as (
    select
        pairs.endpoint, pairs.variant, pairs.control_variant, arm.shown_date,
        date_diff('day', lag(arm.shown_date) over (
            partition by pairs.endpoint, pairs.variant, pairs.control_variant order by arm.shown_date
        ), arm.shown_date) as days_away
    from (select distinct endpoint, variant, control_variant from controls where variant <> control_variant) as pairs
    inner join shown as arm on pairs.endpoint is not distinct from arm.endpoint and pairs.variant = arm.variant
    inner join shown as control
        on pairs.endpoint is not distinct from control.endpoint and pairs.control_variant = control.variant
        and arm.shown_date = control.shown_date
    left join declared on pairs.endpoint = declared.endpoint
    where arm.shown_date >= coalesce(declared.since, arm.shown_date)
),

starts as (
    select endpoint, variant, control_variant, shown_date as compared_from
    from days_together
    where coalesce(days_away > {{ var('comparison_window_days') }}, true)
),

final as (
    select
        controls.partition_date, controls.endpoint, controls.variant, controls.control_variant,
        max(starts.compared_from) as compared_from
    from controls
    left join starts
        on controls.endpoint is not distinct from starts.endpoint and controls.variant = starts.variant
        and controls.control_variant = starts.control_variant
        and starts.compared_from <= controls.partition_date
    group by controls.partition_date, controls.endpoint, controls.variant, controls.control_variant
)

select * from final
