{%- set threshold = rule(
    description='A user disagrees with the majority of the others on nearly all outputs that they share.',
    source='Dawid and Skene 1979; Raykar and Yu 2012, Eliminating Spammers and Ranking Annotators: raters worse than chance against the others.',
    threshold={'outputs': 10, 'share': 0.8, 'others': 2, 'half_of_days': 14},
    priority=33
) -%}

-- The first thing that each user said of an output, as good or bad.
with judgements as (
    select
        request_id, author_id as user_id, paired_date,
        case when reward > 0 then 1 else -1 end as verdict,
        feedback_received_date, feedback_source_file, feedback_source_line
    from {{ ref('int_feedback_matches') }}
    where state = 'sound' and author_id is not null and reward <> 0
        and coalesce(source, 'user') in ('user', 'annotator')
        and paired_date between {{ rules_look_back_to() }} and date '{{ var("window_to") }}'
    qualify row_number() over (
        partition by request_id, author_id, paired_date
        order by feedback_at, feedback_received_date, feedback_source_file, feedback_source_line
    ) = 1
),

-- A judgement counts in the fortnight that it is in and in the next, so that a day is judged by itself and
-- by 14 to 27 days before it, and by the same ones whatever days a run has.
fortnights as (
    select
        judgements.*,
        date_diff('day', date '2000-01-01', paired_date) // {{ threshold.half_of_days }} + ages.age as fortnight
    from judgements
    cross join (values (0), (1)) as ages (age)
),

counted as (
    select *
    from fortnights
    where fortnight between
        date_diff('day', date '2000-01-01', date '{{ var("window_from") }}') // {{ threshold.half_of_days }}
        and date_diff('day', date '2000-01-01', date '{{ var("window_to") }}') // {{ threshold.half_of_days }}
    qualify row_number() over (
        partition by fortnight, request_id, user_id order by paired_date
    ) = 1
),

shared as (
    select *
    from counted
    qualify count(*) over (partition by fortnight, request_id) > {{ threshold.others }}
),

-- What was said of an output up to each day on which somebody judged it.
outputs as (
    select
        fortnight, request_id, paired_date as judged_date,
        sum(sum(verdict)) over so_far as verdicts,
        sum(count(*)) over so_far as users
    from shared
    group by fortnight, request_id, paired_date
    window so_far as (partition by fortnight, request_id order by paired_date)
),

-- How each user stood to the others then: -1 against their majority, 1 with it, 0 where they had none.
stands as (
    select
        shared.fortnight, shared.user_id, shared.request_id, outputs.judged_date,
        case
            when outputs.users - 1 < {{ threshold.others }} then 0
            else sign(shared.verdict * (outputs.verdicts - shared.verdict))
        end as stand
    from shared
    inner join outputs
        on shared.fortnight = outputs.fortnight
        and shared.request_id = outputs.request_id
        and shared.paired_date <= outputs.judged_date
),

changes as (
    select
        fortnight, user_id, judged_date, stand,
        coalesce(lag(stand) over (partition by fortnight, user_id, request_id order by judged_date), 0) as stand_before
    from stands
),

users as (
    select
        fortnight, user_id, judged_date,
        sum(count(*) filter (where stand <> 0) - count(*) filter (where stand_before <> 0)) over so_far as outputs,
        sum(count(*) filter (where stand < 0) - count(*) filter (where stand_before < 0)) over so_far as against
    from changes
    group by fortnight, user_id, judged_date
    window so_far as (partition by fortnight, user_id order by judged_date)
),

suspicious as (
    select fortnight, user_id, judged_date
    from users
    where outputs >= {{ threshold.outputs }} and against >= {{ threshold.share }} * outputs
        and {{ in_window('judged_date') }}
        and fortnight = date_diff('day', date '2000-01-01', judged_date) // {{ threshold.half_of_days }}
)

-- The first day on which it showed, of those after the judgement was known.
select
    fortnights.feedback_received_date,
    fortnights.feedback_source_file,
    fortnights.feedback_source_line,
    min(suspicious.judged_date) as flagged_date
from fortnights
inner join suspicious
    on fortnights.user_id = suspicious.user_id
    and fortnights.fortnight = suspicious.fortnight
    and fortnights.paired_date <= suspicious.judged_date
group by
    fortnights.fortnight, fortnights.feedback_received_date, fortnights.feedback_source_file,
    fortnights.feedback_source_line
