{{ config(partition_column='received_date', window_from_var='status_from') }}

-- Of the feedback that can be told at all: neither a dead letter nor a repeat.
with feedback as (
    select
        receipts.received_date, receipts.source_file, receipts.source_line,
        coalesce(matches.inference_variant, receipts.variant) as variant,
        receipts.source
    from {{ ref('int_feedback_receipts') }} as receipts
    left join {{ ref('int_feedback_matches') }} as matches
        on receipts.received_date = matches.feedback_received_date
        and receipts.source_file = matches.feedback_source_file
        and receipts.source_line = matches.feedback_source_line
    where receipts.state = 'open' and {{ in_window('receipts.received_date', 'status_from') }}
),

of_kind as (
    select received_date, variant, source, count(*) as feedback
    from feedback
    group by received_date, variant, source
),

flagged as (
    select flags.rule, feedback.received_date, feedback.variant, feedback.source, count(*) as flagged
    from feedback
    inner join {{ ref('int_feedback_flags') }} as flags
        on feedback.received_date = flags.feedback_received_date
        and feedback.source_file = flags.feedback_source_file
        and feedback.source_line = flags.feedback_source_line
    group by all
),

rules (rule) as (
    values
    {% for rule in declared_rules() if rule.enabled -%}
    ('{{ rule.name }}'),
    {% endfor -%}
    (null)
),

final as (
    select
        of_kind.received_date,
        rules.rule,
        of_kind.variant,
        of_kind.source,
        of_kind.feedback,
        coalesce(flagged.flagged, 0) as flagged,
        coalesce(flagged.flagged, 0) / of_kind.feedback as rate
    from of_kind
    cross join rules
    left join flagged
        on rules.rule = flagged.rule
        and of_kind.received_date = flagged.received_date
        and of_kind.variant is not distinct from flagged.variant
        and of_kind.source is not distinct from flagged.source
    where rules.rule is not null
)

select * from final
