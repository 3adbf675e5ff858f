{#
    The reward of feedback on a whole session that held at the end of a partition, spread over the turns that it is about.
    `method` is SQL for one of:

    equal        each turn has the same part
    last_turn    the last turn has all of it
    recency      a turn has half of what the next one has: who judges a conversation remembers its end
#}
{% macro turn_credits(as_of, method) -%}
with rewards as (
    select feedback_id, reward
    from ({{ held(ref('int_feedback_attributions'), as_of) }})
    where reward is not null
),

turns as (
    select
        conversations.feedback_id, conversations.session_id, conversations.position, conversations.turn,
        conversations.request_id, conversations.model_name, conversations.model_version, conversations.variant,
        rewards.reward,
        count(*) over (
            partition by conversations.feedback_id order by conversations.position
            rows between 1 following and unbounded following
        ) as turns_after
    from ({{ conversations(as_of, only=is_on_session('attributions', 'reason')) }}) as conversations
    inner join rewards on conversations.feedback_id = rewards.feedback_id
    -- What was never shown has earned nothing, but for the turn that the feedback was matched with.
    where conversations.exposed is distinct from false or conversations.is_answer
),

weighted as (
    select
        *,
        case {{ method }}
            when 'equal' then 1.0
            when 'last_turn' then (turns_after = 0)::integer
            when 'recency' then pow(0.5, least(turns_after, 1000))
            else error('turn_credit_as_of: method must be equal, last_turn or recency, not ' || {{ method }})
        end as weight
    from turns
)

select
    feedback_id, session_id, position, turn, request_id, model_name, model_version, variant, reward,
    reward * weight / sum(weight) over (
        partition by feedback_id order by position rows between unbounded preceding and unbounded following
    ) as credit,
    {{ method }} as method
from weighted
{%- endmacro %}
