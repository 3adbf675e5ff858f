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
