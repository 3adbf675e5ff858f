{{ config(partition_column='flagged_date') }}

{#- Every rule is a parent, so that dbt builds it first; which of them count is known when the model runs. -#}
{%- set relations = {} -%}
{%- for model_name in rule_models() -%}
    {%- do relations.update({model_name: ref(model_name)}) -%}
{%- endfor -%}

with flagged as (
    {% for rule in declared_rules() if rule.enabled -%}
    select
        feedback_received_date, feedback_source_file, feedback_source_line, flagged_date,
        '{{ rule.name }}' as rule, '{{ rule.state }}' as state, '{{ rule.reason }}' as reason,
        {{ rule.priority }} as priority
    from {{ relations[rule.model] }}
    union all
    {% endfor -%}
    select null::date, null, null::bigint, null::date, null, null, null, null::integer where false
),

-- Once a rule has flagged a line it does not flag it again: a reviewer who accepted it has answered that.
flagged_before as (
    {% if is_incremental() %}
    select feedback_received_date, feedback_source_file, feedback_source_line, rule
    from {{ this }}
    where flagged_date < date '{{ var("window_from") }}' and feedback_received_date >= {{ rules_look_back_to() }}
    {% else %}
    select feedback_received_date, feedback_source_file, feedback_source_line, rule from flagged where false
    {% endif %}
),

first_flags as (
    select
        feedback_received_date, feedback_source_file, feedback_source_line, rule, state, reason, priority,
        min(flagged_date) as flagged_date
    from flagged
    where flagged_date <= feedback_received_date + {{ var('rules_window_days') }}
    group by all
),

receipts as (
    select feedback_id, received_date, source_file, source_line
    from {{ ref('int_feedback_receipts') }}
    where state = 'open'
        and received_date between {{ rules_look_back_to() }} and date '{{ var("window_to") }}'
),

final as (
    select
        receipts.feedback_id, first_flags.feedback_received_date, first_flags.feedback_source_file,
        first_flags.feedback_source_line, first_flags.rule, first_flags.state, first_flags.reason,
        first_flags.priority, first_flags.flagged_date
    from first_flags
    inner join receipts
        on first_flags.feedback_received_date = receipts.received_date
        and first_flags.feedback_source_file = receipts.source_file
        and first_flags.feedback_source_line = receipts.source_line
    anti join flagged_before
        on first_flags.feedback_received_date = flagged_before.feedback_received_date
        and first_flags.feedback_source_file = flagged_before.feedback_source_file
        and first_flags.feedback_source_line = flagged_before.feedback_source_line
        and first_flags.rule = flagged_before.rule
    where {{ in_window('first_flags.flagged_date') }}
)

select * from final
