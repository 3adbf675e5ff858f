{{ config(parameters=['as_of', "by_signal := 'click'", 'silence_after_days := null']) }}

-- Logged bandit tuples. Without feedback a choice has no reward, unless the reader says after how many days silence is 0.
with signals as (
    select
        request_id,
        max_by(feedback_id, (attributed_date, feedback_id)) as feedback_id,
        max(attributed_date) as attributed_date
    from {{ ref('feedback_as_of') }}(as_of) as feedback
    where feedback.signal = by_signal
    group by request_id
),

choices as (
    select *, received_date + silence_after_days::integer as silent_from
    from {{ ref('logged_choices') }}
    -- A context that lost its texts is another one.
    where received_date <= as_of::date and not coalesce(is_text_expired, false)
),

final as (
    select
        signals.feedback_id, choices.request_id,
        coalesce(signals.attributed_date, choices.silent_from) as attributed_date,
        choices.context, choices.slot, choices.action, choices.propensity,
        case when signals.request_id is not null then 1.0::double else 0.0 end as reward,
        signals.request_id is null as is_silence,
        -- What was likely is logged often: weighted by this, all actions count alike.
        1 / choices.propensity as sample_weight,
        choices.user_id, choices.session_id, choices.model_name, choices.model_version, choices.variant,
        choices.endpoint, choices.inference_at
    from choices
    left join signals on choices.request_id = signals.request_id
    where signals.request_id is not null or choices.silent_from <= as_of::date
)

select * from final
