{{ config(partition_column='partition_date') }}

{#- A client with fewer of the day's lines than this is no value of its own: its versions may be thousands. -#}
{%- set least_share = 0.01 -%}
{#- What a line says of who sent it, and what a sound one is of. -#}
{%- set senders = ['client_version', 'source'] -%}

with days as (
    select received_date as partition_date from {{ ledger_days('feedback') }}
    where {{ in_window('received_date') }}
),

-- Each line of the day as it stood at the day's end, so that no later day changes it.
feedback_lines as (
    select
        lines.received_date as partition_date,
        coalesce(states.state, 'dead_letter') as state,
        coalesce(states.reason, lines.dead_letter_reason) as reason,
        lines.feedback_type,
        {% for sender in senders -%}
        -- The ledger keeps a dead letter's text only.
        {%- set sent_by = "coalesce(lines." ~ sender ~ ", " ~ text_field('lines.raw', sender) ~ ")" %}
        {{ profile_value(sent_by) }} as {{ sender }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ source('ledger', 'feedback') }} as lines
    left join {{ ref('int_day_end_states') }} as states
        on lines.received_date = states.received_date
        and lines.source_file = states.source_file
        and lines.source_line = states.source_line
    where {{ in_window('lines.received_date') }} and not {{ is_erased('lines') }}
),

feedback as (
    select *, state in ('dead_letter', 'invalid') as is_broken, count(*) as lines
    from feedback_lines
    group by all
),

-- Repeated inferences count with their variant: leaving them out would cost a join over all of the day's lines.
inferences as (
    select
        received_date as partition_date, dead_letter_reason as reason,
        {{ profile_value('variant') }} as variant, count(*) as lines
    from {{ source('ledger', 'inferences') }}
    where {{ in_window('received_date') }} and not {{ is_erased() }}
    group by all
),

repeats as (
    select received_date as partition_date, count(*) as lines
    from {{ ref('int_inference_receipts') }}
    where not is_first and {{ in_window('received_date') }}
    group by received_date
),

conflicts as (
    select received_date as partition_date, count(*) as lines
    from {{ ref('int_inference_conflicts') }}
    where {{ in_window('received_date') }}
    group by received_date
),

inference_states as (
    select partition_date, 'dead_letter' as state, reason, lines from inferences where reason is not null
    union all
    select partition_date, 'dead_letter', 'conflicting_request_id', lines from conflicts
    union all
    select repeats.partition_date, 'duplicate', 'duplicate_request_id', repeats.lines - coalesce(conflicts.lines, 0)
    from repeats
    left join conflicts using (partition_date)
),

volumes as (
    select days.partition_date, 'feedback' as stream, coalesce(sum(feedback.lines), 0) as lines
    from days
    left join feedback using (partition_date)
    group by days.partition_date
    union all
    select days.partition_date, 'inferences', coalesce(sum(inferences.lines), 0)
    from days
    left join inferences using (partition_date)
    group by days.partition_date
),

-- Of all lines of the stream.
rates as (
    select partition_date, 'feedback' as stream, 'broken' as dimension, 'lines' as value, sum(lines) as part
    from feedback where is_broken group by partition_date
    union all
    select partition_date, 'feedback', 'state', state, sum(lines) from feedback group by partition_date, state
    union all
    select partition_date, 'feedback', state, reason, sum(lines)
    from feedback
    where state in ('dead_letter', 'invalid', 'requires_human_review')
    group by partition_date, state, reason
    union all
    select partition_date, 'inferences', 'state', state, sum(lines) from inference_states
    group by partition_date, state
    union all
    select partition_date, 'inferences', state, reason, sum(lines) from inference_states
    where state = 'dead_letter'
    group by partition_date, state, reason
    {% for sender in senders -%}
    union all
    select partition_date, 'feedback', '{{ sender }}', {{ sender }}, sum(lines) from feedback
    group by partition_date, {{ sender }}
    {% endfor %}
),

of_lines as (
    select rates.partition_date, rates.stream, rates.dimension, rates.value, rates.part, volumes.lines as whole
    from rates
    inner join volumes using (partition_date, stream)
),

-- Of the sound lines, each counted once.
of_sound_lines as (
    select
        partition_date, 'feedback' as stream, 'feedback_type' as dimension, feedback_type as value,
        sum(lines) as part, sum(sum(lines)) over (partition by partition_date) as whole
    from feedback
    where state not in ('dead_letter', 'duplicate')
    group by partition_date, feedback_type
    union all
    select
        partition_date, 'inferences', 'variant', variant,
        sum(lines), sum(sum(lines)) over (partition by partition_date)
    from inferences
    where reason is null
    group by partition_date, variant
),

-- Of each sender's own lines.
of_senders_lines as (
    {% for sender in senders -%}
    select
        partition_date, 'feedback' as stream, 'broken_by_{{ sender }}' as dimension, {{ sender }} as value,
        coalesce(sum(lines) filter (where is_broken), 0) as part, sum(lines) as whole
    from feedback
    group by partition_date, {{ sender }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

profile as (
    select partition_date, stream, 'volume' as dimension, 'lines' as value, lines as part, lines as whole from volumes
    union all
    select * from of_lines
    union all
    select * from of_sound_lines
    union all
    select * from of_senders_lines
),

final as (
    select
        profile.partition_date, profile.stream, profile.dimension, profile.value,
        profile.part::bigint as part, profile.whole::bigint as whole
    from profile
    inner join volumes using (partition_date, stream)
    where profile.dimension not in ('variant', 'client_version', 'broken_by_client_version')
        or (profile.dimension = 'broken_by_client_version' and profile.whole >= {{ least_share }} * volumes.lines)
        or (profile.dimension <> 'broken_by_client_version' and profile.part >= {{ least_share }} * profile.whole)
)

select * from final
