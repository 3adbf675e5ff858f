{# The credits of each feedback are its reward, but for the last digits of floating-point numbers. #}
{% test credits_add_up(model) %}

select feedback_id, sum(credit) as credit, max(reward) as reward
from {{ model }}
where reward is not null
group by feedback_id
having abs(sum(credit) - max(reward)) > 1e-9 or sum(credit) is null

{% endtest %}
