{# The first received date whose feedback may still be waiting when the run's window starts. #}
{% macro window_start_less_attribution_window() -%}
    (date '{{ var("window_from") }}' - {{ var("attribution_window_days") }})
{%- endmacro %}

{# Whether feedback of a received date has, as of a day, waited longer than the attribution window. #}
{% macro has_expired(received_date, as_of) -%}
    {{ received_date }} + {{ var("attribution_window_days") }} < {{ as_of }}
{%- endmacro %}
