{#
    Declares a model of models/rules as a rule and returns its thresholds. Called at the top of the model:

        {%- set threshold = rule(description='…', source='…', threshold={'events': 20}) -%}

    A rule's rows are the feedback lines that it flags, each with the day on which the platform could first
    know it: `feedback_received_date, feedback_source_file, feedback_source_line, flagged_date`. To be the same
    however days are grouped into runs, a flag must follow from what was received up to its `flagged_date`
    alone, and a rule has to give the flags of the run's window only.

    description    what is wrong with a line that it flags, in a sentence
    source         where the idea and its numbers come from
    threshold      its numbers by name
    state          that a flagged line is in until a reviewer accepts it: `requires_human_review`, or `invalid`
                   for what is no question of abuse
    reason         the reason code; the model's name without `rule_`, unless given
    priority       which reason is told where several rules flag a line: the lowest
    enabled        whether it counts unless the rules' settings say otherwise

    A setting (FEEDBACK_RULES) overrides `enabled` and single thresholds.
#}
{% macro rule(description, source, threshold={}, state='requires_human_review', reason=none, priority=50, enabled=true) %}
    {%- set name = model.name | replace('rule_', '', 1) -%}
    {%- do config(meta={'rule': {
        'name': name, 'description': description, 'source': source, 'threshold': threshold, 'state': state,
        'reason': reason or name, 'priority': priority, 'enabled': enabled,
    }}) -%}
    {%- do return(dict(threshold, **var('rules', {}).get(name, {}).get('threshold', {}))) -%}
{% endmacro %}

{# The names of the models of models/rules, whose folder the platform lists (orchestration/lib/dbt.py). #}
{% macro rule_models() %}
    {%- do return(env_var('DBT_RULE_MODELS').split()) -%}
{% endmacro %}

{# What each rule declares, with the settings laid over it. Known when models run, not when they are parsed. #}
{% macro declared_rules() %}
    {%- set declared = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name in rule_models() -%}
            {%- set rule = node.config.meta.rule -%}
            {%- set enabled = var('rules', {}).get(rule.name, {}).get('enabled', rule.enabled) -%}
            {%- do declared.append(dict(rule, model=node.name, enabled=enabled)) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(declared) -%}
{% endmacro %}

{#
    The first received date whose lines a run's rules look at. A line is flagged within `rules_window_days` of
    the day on which it was received, or never: a rule judges a day by itself and by no more days before it.
#}
{% macro rules_look_back_to() -%}
    (date '{{ var("window_from") }}' - {{ var("rules_window_days") }})
{%- endmacro %}
