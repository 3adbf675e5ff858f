{# A turn as readers of a conversation see it, from the lines of `inferences`. #}
{% macro turn_columns() -%}
    {{ return(['model_name', 'model_version', 'variant', 'endpoint', 'params', 'input', 'output', 'components', 'exposed',
              'is_text_expired']) }}
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
    Whether feedback is about a whole session. Where it names no request it was matched with the last turn, which is no
    more than where the session stood. `feedback` has `target_kind`; `matched_by` is its column that says how it was matched.
#}
{% macro is_on_session(feedback, matched_by) -%}
    coalesce(
        {{ feedback }}.target_kind = 'session'
        or (
            {{ feedback }}.{{ matched_by }} = 'matched_session_id'
            and coalesce({{ feedback }}.target_kind, 'output') = 'output'
        ),
        false
    )
{%- endmacro %}

{#
    The conversation that each attributed feedback is about, as of the end of a partition: the answer, and every turn
    before it that the platform had by then, in order. Feedback on a whole session has the turns up to the moment at
    which it was given. A turn that was never logged shows as a gap before the next one. `only` is a predicate on
    `attributions`, asked before their turns are looked for; `last_turns` is how many turns before an answer are wanted where
    not all are.
#}
{% macro conversations(as_of, only='true', last_turns=none) -%}
with feedback as (
    select
        feedback_id, request_id, inference_at, inference_session_id as session_id, inference_turn as turn,
        {{ is_on_session('attributions', 'reason') }} as is_on_session, feedback_at, attributed_date
    from {{ ref('int_feedback_attributions') }} as attributions
    where attributed_date <= {{ as_of }} and {{ only }}
),

{% if last_turns -%}
-- Only a session that has more turns is cut: so the others need no place.
places as (
    select
        request_id,
        row_number() over (
            partition by session_id order by case when is_numbered then turn end, inference_at, turn, request_id
        ) as place
    from (
        select
            session_id, request_id, turn, inference_at,
            bool_and(turn is not null) over (partition by session_id) as is_numbered
        from {{ ref('conversation_turns') }}
        where known_date <= {{ as_of }}
        qualify count(*) over (partition by session_id) > {{ last_turns }}
    )
),

placed_feedback as (
    select feedback.*, places.place as place_in_session
    from feedback
    left join places on feedback.request_id = places.request_id
),

turns as (
    select
        conversation_turns.session_id, conversation_turns.turn, conversation_turns.request_id,
        conversation_turns.inference_at, places.place as place_in_session
    from {{ ref('conversation_turns') }} as conversation_turns
    left join places on conversation_turns.request_id = places.request_id
    where conversation_turns.known_date <= {{ as_of }}
),
{%- else -%}
turns as (
    select session_id, turn, request_id, inference_at from {{ ref('conversation_turns') }} where known_date <= {{ as_of }}
),
{%- endif %}

up_to_feedback as (
    select
        feedback.feedback_id,
        feedback.is_on_session,
        turns.request_id = feedback.request_id as is_answer,
        turns.session_id, turns.turn, turns.request_id, turns.inference_at
    from {{ 'placed_feedback as feedback' if last_turns else 'feedback' }}
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
        {%- if last_turns %}
        and coalesce(feedback.place_in_session - turns.place_in_session <= {{ last_turns }}, true)
        {%- endif %}
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
        request_id
    from with_order
    window in_turn as (partition by feedback_id order by place, inference_at, turn, request_id)
),

-- Texts come last: what is put in order is small.
with_texts as (
    select
        in_order.*,
        turns.inference_at,
        {% for column in turn_columns() -%}
        turns.{{ column }},
        {% endfor -%}
        turns.output_text, turns.inference_received_date, turns.known_date
    from in_order
    inner join {{ ref('conversation_turns') }} as turns on in_order.request_id = turns.request_id
    where turns.known_date <= {{ as_of }}
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

select * from with_texts
union all by name
select * from single_answers
{%- endmacro %}
