{#
    The reward of each feedback spread over the components of its inference. Where one component alone answered, it has
    all of it; `method` is SQL for how several share it: `weight`, `agreement` or `equal`. Where no weights were logged,
    or nobody agrees with the feedback, they share in equal parts, and the method says so.
#}
{% macro component_credits(shares, method) -%}
    select
        feedback_id, request_id, position, component, kind, model_version, weight, agreement, reward,
        reward * case
            when sole_method is not null then share_equal
            when {{ method }} = 'equal' then share_equal
            when {{ method }} = 'weight' then coalesce(share_weight, share_equal)
            when {{ method }} = 'agreement' then coalesce(share_agreement, share_weight, share_equal)
            else error('component_credit: method must be weight, agreement or equal, not ' || {{ method }})
        end as credit,
        case
            when sole_method is not null then sole_method
            when {{ method }} = 'agreement' and share_agreement is not null then 'agreement'
            when {{ method }} in ('agreement', 'weight') and share_weight is not null then 'weight'
            else 'equal'
        end as method,
        attributed_date
    from {{ shares }}
{%- endmacro %}
