{{ config(partition_column='partition_date') }}

-- Whether the traffic of a declared experiment is split as declared, over all its days so far.
with shares as (
    {{ declared_shares() }}
),

shown as (
    {{ shown_by_day(ref('int_variant_days')) }}
),

of_experiments as (
    select shown.*, shares.variant is not null as is_declared
    from shown
    inner join (select distinct endpoint, since from shares) as experiments
        on shown.endpoint = experiments.endpoint and shown.shown_date >= experiments.since
    left join shares on shown.endpoint = shares.endpoint and shown.variant = shares.variant
),

-- Declared arms without traffic are part of the test: an arm that gets none is the plainest mismatch.
exposed as (
    select
        days.endpoint, days.shown_date, shares.variant, shares.share,
        sum(coalesce(of_experiments.n, 0)) over (
            partition by days.endpoint, shares.variant order by days.shown_date
            rows between unbounded preceding and current row
        ) as n
    from (select distinct endpoint, shown_date from of_experiments) as days
    inner join shares on days.endpoint = shares.endpoint
    left join of_experiments
        on days.endpoint = of_experiments.endpoint and days.shown_date = of_experiments.shown_date
        and shares.variant = of_experiments.variant
),

tests as (
    select
        endpoint, shown_date,
        {{ share_mismatch_p_value(
            'count(*)', 'sum(n)', 'sum(' ~ log_gamma('1 + n') ~ ' order by variant)', 'sum(n * ln(share) order by variant)'
        ) }} as p_value
    from exposed
    group by endpoint, shown_date
),

looks as (
    select
        tests.endpoint, tests.shown_date,
        min(tests.p_value) over (
            partition by tests.endpoint order by tests.shown_date rows between unbounded preceding and current row
        ) as p_value,
        undeclared.first_date <= tests.shown_date as has_undeclared_arm
    from tests
    left join (
        select endpoint, min(shown_date) as first_date from of_experiments where not is_declared group by endpoint
    ) as undeclared on tests.endpoint = undeclared.endpoint
),

final as (
    select
        partitions.received_date as partition_date,
        looks.endpoint,
        case when not coalesce(looks.has_undeclared_arm, false) then looks.p_value end as p_value,
        case when looks.has_undeclared_arm then 'arm_without_expected_share' end as reason
    from {{ ledger_days('inferences') }} as partitions
    inner join looks on looks.shown_date <= partitions.received_date
    where {{ in_window('partitions.received_date') }}
    qualify row_number() over (
        partition by partitions.received_date, looks.endpoint order by looks.shown_date desc
    ) = 1
)

select * from final
