{#
    The state of a line that was read, and its reason, from what is known of it: the one place that says which goes
    before which. `receipt` and `match` are relations with `state` and `reason`, `flag` too (what no reviewer has
    accepted since), `decision` is the last review's, and `has_expired` whether the inference came too late or never.
#}
{% macro state_and_reason(receipt, match, flag, decision, has_expired='false') -%}
        case
            when {{ receipt }}.state <> 'open' then {{ receipt }}.state
            when {{ match }}.state = 'invalid' or {{ has_expired }} or {{ decision }} = 'reject' then 'invalid'
            when {{ flag }}.state is not null then {{ flag }}.state
            when {{ match }}.state is null then 'pending'
            else 'attributed'
        end as state,
        case
            when {{ receipt }}.state <> 'open' then {{ receipt }}.reason
            when {{ match }}.state = 'invalid' then {{ match }}.reason
            when {{ has_expired }} then 'unknown_request'
            when {{ decision }} = 'reject' then 'rejected_in_review'
            when {{ flag }}.state is not null then {{ flag }}.reason
            when {{ match }}.state is null then 'awaiting_inference'
            else {{ match }}.reason
        end as reason
{%- endmacro %}
