{# A turn as readers of a conversation see it, from the lines of `inferences`. #}
{% macro turn_columns() -%}
    {{ return(['model_name', 'model_version', 'variant', 'endpoint', 'params', 'input', 'output', 'components', 'exposed']) }}
{%- endmacro %}

{#
    Whether one turn of a session was given before another: by their numbers where both have one, or else by time. Turns
    of one number are attempts at the same question, and none of them is before another.
#}
{% macro is_earlier_turn(one, other) -%}
    case
        when {{ one }}.turn is not null and {{ other }}.turn is not null then {{ one }}.turn < {{ other }}.turn
        else ({{ one }}.inference_at, {{ one }}.request_id) < ({{ other }}.inference_at, {{ other }}.request_id)
    end
{%- endmacro %}

{#
    The conversation that each attributed feedback is about, as of the end of a partition: the answer, and every turn
    before it that the platform had by then, in order. Feedback on a whole session has the turns up to the moment at
    which it was given. A turn that was never logged shows as a gap before the next one.
#}
{% macro conversations(as_of) -%}
with feedback as (
    select
        feedback_id, request_id, inference_at, inference_session_id as session_id, inference_turn as turn,
        target_kind is not distinct from 'session'
            or (reason = 'matched_session_id' and target_kind is distinct from 'turn') as is_on_session,
        feedback_at, attributed_date
    from {{ ref('int_feedback_attributions') }}
    where attributed_date <= {{ as_of }}
),

turns as (
    select * from {{ ref('conversation_turns') }} where known_date <= {{ as_of }}
),

up_to_feedback as (
    select
        feedback.feedback_id,
        feedback.is_on_session,
        turns.request_id = feedback.request_id as is_answer,
        turns.*
    from feedback
    inner join turns
        on feedback.session_id = turns.session_id
        and (
            turns.request_id = feedback.request_id
            or {{ is_earlier_turn('turns', 'feedback') }}
            -- A turn that was logged after the feedback had its answer.
            or (
                feedback.is_on_session
                and turns.inference_at <= {{ plus_minutes('feedback.feedback_at', var('early_tolerance_minutes')) }}
            )
        )
),

-- Numbers put turns in order only where every turn has one.
with_order as (
    select
        *,
        case when bool_and(turn is not null) over (partition by feedback_id) then turn end as place
    from up_to_feedback
),

in_order as (
    select
        feedback_id,
        session_id,
        row_number() over in_turn - 1 as position,
        turn,
        -- The next attempt at the same turn leaves no gap.
        case when place is not null then greatest(place - coalesce(lag(place) over in_turn, -1) - 1, 0) end
            as missing_turns_before,
        is_answer,
        is_on_session,
        * exclude (feedback_id, session_id, turn, place, is_answer, is_on_session)
    from with_order
    window in_turn as (partition by feedback_id order by place, inference_at, turn, request_id)
),

-- An inference that names no session is a conversation of one turn.
single_answers as (
    select
        pairs.feedback_id, null as session_id, 0 as position, pairs.turn, null as missing_turns_before,
        true as is_answer, feedback.is_on_session, pairs.request_id, pairs.inference_at,
        {% for column in turn_columns() -%}
        pairs.{{ column }},
        {% endfor -%}
        pairs.output_text, pairs.inference_received_date, pairs.attributed_date as known_date
    from {{ ref('attributed_feedback') }} as pairs
    inner join feedback on pairs.feedback_id = feedback.feedback_id
    where feedback.session_id is null and pairs.attributed_date <= {{ as_of }}
)

select * from in_order
union all by name
select * from single_answers
{%- endmacro %}
