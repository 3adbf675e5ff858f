{%- set threshold = rule(
    description='A user judged many outputs and always gave the same value, which others give too seldom for chance.',
    source='Meade and Craig 2012, Identifying Careless Responses in Survey Data: long strings of one answer; a binomial bound keeps those who are merely content.',
    threshold={'judgements': 20, 'probability': 0.000001},
    priority=32
) -%}

with judgements as (
    select user_id, feedback_type, coalesce(rating_max, 5) as scale, reward,
        received_date, source_file, source_line
    from {{ ref('int_feedback_receipts') }}
    where received_date between {{ rules_look_back_to() }} and date '{{ var("window_to") }}'
        and state = 'open' and user_id is not null and reward is not null
        and coalesce(source, 'user') in ('user', 'annotator')
),

-- As of each day: the user's judgements of the last days, and everybody's.
of_user as (
    select
        user_id, feedback_type, scale, received_date as judged_date,
        sum(count(*)) over recent as judgements,
        min(min(reward)) over recent as lowest,
        max(max(reward)) over recent as highest
    from judgements
    group by user_id, feedback_type, scale, received_date
    window recent as (
        partition by user_id, feedback_type, scale order by received_date
        range between interval '{{ var("rules_window_days") }} days' preceding and current row
    )
),

of_all as (
    select
        feedback_type, scale, received_date as judged_date,
        sum(count(*)) over (
            partition by feedback_type, scale order by received_date
            range between interval '{{ var("rules_window_days") }} days' preceding and current row
        ) as judgements
    from judgements
    group by feedback_type, scale, received_date
),

of_value as (
    select
        feedback_type, scale, reward, received_date as judged_date,
        sum(count(*)) over (
            partition by feedback_type, scale, reward order by received_date
            range between interval '{{ var("rules_window_days") }} days' preceding and current row
        ) as judgements
    from judgements
    group by feedback_type, scale, reward, received_date
),

-- What others give, with one of each more: where there are few others, little is too improbable.
compared as (
    select
        of_user.*,
        (of_value.judgements - of_user.judgements + 1) / (of_all.judgements - of_user.judgements + 2) as share_of_others
    from of_user
    inner join of_all using (feedback_type, scale, judged_date)
    inner join of_value
        on of_user.feedback_type = of_value.feedback_type
        and of_user.scale = of_value.scale
        and of_user.judged_date = of_value.judged_date
        and of_user.lowest = of_value.reward
    where of_user.judgements >= {{ threshold.judgements }} and of_user.lowest = of_user.highest
        and {{ in_window('of_user.judged_date') }}
),

suspicious as (
    select user_id, feedback_type, scale, judged_date
    from compared
    where pow(share_of_others, judgements) <= {{ threshold.probability }}
)

-- The first day on which it showed, of those after the line came.
select
    judgements.received_date as feedback_received_date,
    judgements.source_file as feedback_source_file,
    judgements.source_line as feedback_source_line,
    min(suspicious.judged_date) as flagged_date
from judgements
inner join suspicious
    on judgements.user_id = suspicious.user_id
    and judgements.feedback_type = suspicious.feedback_type
    and judgements.scale = suspicious.scale
    and judgements.received_date <= suspicious.judged_date
group by judgements.received_date, judgements.source_file, judgements.source_line
