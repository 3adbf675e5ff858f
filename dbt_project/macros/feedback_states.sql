{#
    The state and reason of every feedback line as of the end of a partition: nothing that a later day brought counts.
    `as_of` is that partition as SQL; `received` is a predicate on a received date, written @, that tells whose lines.
#}
{% macro feedback_states(as_of, received) -%}
with receipts as (
    select * from {{ ref('int_feedback_receipts') }} where {{ received | replace('@', 'received_date') }}
),

matches as (
    select * from {{ ref('int_feedback_matches') }}
    where {{ received | replace('@', 'feedback_received_date') }} and paired_date <= {{ as_of }}
),

attributions as (
    select feedback_received_date, feedback_source_file, feedback_source_line, attributed_date
    from {{ ref('int_feedback_attributions') }}
    where {{ received | replace('@', 'feedback_received_date') }} and attributed_date <= {{ as_of }}
),

decisions as (
    select
        feedback_id,
        max_by(decision, received_date) as decision,
        max(received_date) filter (where decision = 'accept') as accepted_date
    from {{ ref('int_review_decisions') }}
    where received_date <= {{ as_of }}
    group by feedback_id
),

-- What a rule flagged after the last time that a reviewer accepted it, or what nobody accepted.
flags as (
    select
        flags.feedback_received_date, flags.feedback_source_file, flags.feedback_source_line,
        min_by(flags.state, row(flags.priority, flags.rule)) as state,
        min_by(flags.reason, row(flags.priority, flags.rule)) as reason
    from {{ ref('int_feedback_flags') }} as flags
    left join decisions using (feedback_id)
    where {{ received | replace('@', 'flags.feedback_received_date') }}
        and flags.flagged_date <= {{ as_of }}
        and (decisions.accepted_date is null or decisions.accepted_date < flags.flagged_date)
    group by all
),

dead_letters as (
    select
        feedback_id, request_id, 'dead_letter' as state, reason, received_date,
        null::date as attributed_date, source_file, source_line
    from {{ ref('stg_dead_letters') }}
    where stream = 'feedback' and {{ received | replace('@', 'received_date') }}
),

-- Where a line was, and nothing of what it said.
erased as (
    select
        null::varchar as feedback_id, null::varchar as request_id, 'erased' as state, 'erased_on_request' as reason,
        received_date, null::date as attributed_date, source_file, source_line
    from {{ ref('stg_erased_lines') }}
    where stream = 'feedback' and {{ received | replace('@', 'received_date') }}
),

judged as (
    select
        receipts.feedback_id,
        coalesce(matches.request_id, receipts.request_id) as request_id,
        {{ state_and_reason(
            'receipts', 'matches', 'flags', 'decisions.decision',
            has_expired='(matches.state is null and ' ~ has_expired('receipts.received_date', as_of) ~ ')'
        ) }},
        receipts.received_date,
        attributions.attributed_date,
        receipts.source_file,
        receipts.source_line
    from receipts
    left join matches
        on receipts.received_date = matches.feedback_received_date
        and receipts.source_file = matches.feedback_source_file
        and receipts.source_line = matches.feedback_source_line
    left join attributions
        on receipts.received_date = attributions.feedback_received_date
        and receipts.source_file = attributions.feedback_source_file
        and receipts.source_line = attributions.feedback_source_line
    left join flags
        on receipts.received_date = flags.feedback_received_date
        and receipts.source_file = flags.feedback_source_file
        and receipts.source_line = flags.feedback_source_line
    left join decisions on receipts.feedback_id = decisions.feedback_id
)

select * from dead_letters
union all
select * from erased
union all
select * from judged
{%- endmacro %}
