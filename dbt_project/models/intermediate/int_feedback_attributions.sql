{{ config(partition_column='attributed_date') }}

-- What was paired in the window, and what was accepted in it and paired at any time before.
with accepted_now as (
    select distinct feedback_id from {{ ref('int_review_decisions') }}
    where decision = 'accept' and {{ in_window('received_date') }}
),

matches as (
    select * from {{ ref('int_feedback_matches') }}
    where state = 'sound' and {{ in_window('paired_date') }}
    union all
    select * from {{ ref('int_feedback_matches') }}
    where state = 'sound' and paired_date < date '{{ var("window_from") }}'
        and feedback_id in (select feedback_id from accepted_now)
),

flags as (
    select
        matches.feedback_received_date, matches.feedback_source_file, matches.feedback_source_line,
        max(flags.flagged_date) as last_flagged_date
    from matches
    inner join {{ ref('int_feedback_flags') }} as flags
        using (feedback_received_date, feedback_source_file, feedback_source_line)
    where flags.flagged_date <= matches.paired_date
    group by all
),

-- What reviewers had decided when the pair was known, and the first time that they accepted it after that.
decisions as (
    select
        matches.feedback_id,
        max_by(decisions.decision, decisions.received_date)
            filter (where decisions.received_date <= matches.paired_date) as decision,
        max(decisions.received_date)
            filter (where decisions.received_date <= matches.paired_date) as decided_date,
        min(decisions.received_date)
            filter (where decisions.decision = 'accept' and decisions.received_date > matches.paired_date)
            as accepted_date
    from matches
    inner join {{ ref('int_review_decisions') }} as decisions using (feedback_id)
    where decisions.received_date <= date '{{ var("window_to") }}'
    group by matches.feedback_id
),

dated as (
    select
        matches.* exclude (state),
        case
            when coalesce(decisions.decision, 'none') = 'accept'
                and decisions.decided_date >= coalesce(flags.last_flagged_date, decisions.decided_date)
                then matches.paired_date
            when decisions.decision is null and flags.last_flagged_date is null then matches.paired_date
            else decisions.accepted_date
        end as attributed_date
    from matches
    left join flags using (feedback_received_date, feedback_source_file, feedback_source_line)
    left join decisions on matches.feedback_id = decisions.feedback_id
),

final as (
    select
        *,
        -- The review that let it in, where one had to.
        case when attributed_date > paired_date then attributed_date end as review_received_date
    from dated
    where {{ in_window('attributed_date') }}
)

select * from final
