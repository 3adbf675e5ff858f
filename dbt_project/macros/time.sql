{# Where engines spell intervals and instants differently. #}
{% macro plus_minutes(timestamp, minutes) -%}
    ({{ timestamp }} + interval '{{ minutes }} minutes')
{%- endmacro %}

{% macro plus_days(timestamp, days) -%}
    ({{ timestamp }} + interval '{{ days }} days')
{%- endmacro %}

{# The first instant after a received date, in UTC. #}
{% macro end_of_day(day) -%}
    (({{ day }} + interval '1 day')::timestamp at time zone 'UTC')
{%- endmacro %}

{% macro seconds_between(earlier, later) -%}
    ((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 1000000.0)
{%- endmacro %}

{# The rule of sense that feedback's time breaks against its inference's; null where none. #}
{% macro broken_time_rule(feedback_at, inference_at) -%}
    case
        when {{ feedback_at }} < {{ plus_minutes(inference_at, '-' ~ var('early_tolerance_minutes')) }}
            then 'before_inference'
        when {{ feedback_at }} > {{ plus_days(inference_at, var('attribution_window_days')) }}
            then 'outside_window'
    end
{%- endmacro %}

{# An instant as a whole number: frames over it are exact, and depend on no session's time zone. #}
{% macro microseconds(timestamp) -%}
    epoch_us({{ timestamp }})
{%- endmacro %}
