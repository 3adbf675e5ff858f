{#
    What a feedback event says about its output as a number from -1 to 1, null where its type says nothing
    of the kind. Stars count from one, so that the middle star is 0; a 0 is as bad as one star. A scale
    that ends at 1 has no stars and counts from 0.
#}
{% macro reward(feedback) -%}
    {%- set best = 'coalesce(' ~ feedback ~ '.rating_max, 5)' -%}
    case
        when {{ feedback }}.feedback_type = 'thumbs' then case {{ feedback }}.thumbs when 'up' then 1.0 else -1.0 end
        when {{ feedback }}.feedback_type = 'rating' and {{ best }} > 1
            then greatest(-1.0, 2 * (({{ feedback }}.rating - 1) / ({{ best }} - 1)) - 1)
        when {{ feedback }}.feedback_type = 'rating' then 2 * {{ feedback }}.rating / {{ best }} - 1
    end
{%- endmacro %}
