{%- set threshold = rule(
    description='One user both praised an output and corrected it.',
    source='CONTRACT section 3; Northcutt et al. 2021, Confident Learning: a label that contradicts another of the same source is noise.',
    threshold={'praise': 0.5},
    priority=11
) -%}
{%- set read_from = rules_look_back_to() ~ ' - ' ~ (var('rules_window_days') + 1) -%}

-- What was said of one output by one user, and from when to when it held. Held back or not, it was said. What
-- came later than the rules look back is left out, and what could have ended the rest is read twice as far back:
-- so a day sees the same statements whatever run it is judged in. An annotator rates and improves by trade.
with statements as (
    select
        request_id, author_id, feedback_type, reward, feedback_id, feedback_at, paired_date,
        feedback_received_date, feedback_source_file, feedback_source_line
    from {{ ref('int_feedback_matches') }}
    where state = 'sound' and author_id is not null
        and paired_date between {{ read_from }} and date '{{ var("window_to") }}'
        and feedback_at >= {{ end_of_day('feedback_received_date') }} - interval '{{ var("rules_window_days") }} days'
        and (feedback_type = 'explicit_correction' or reward is not null)
        and coalesce(target_kind, 'output') in ('output', 'turn')
        and coalesce(source, 'user') = 'user'
),

-- A correction that changes nothing contradicts nothing.
no_corrections as (
    select feedback_received_date, feedback_source_file, feedback_source_line
    from {{ ref('int_correction_measures') }}
    where is_same_text
        and paired_date between {{ read_from }} and date '{{ var("window_to") }}'
),

retracted as (
    select retracts as feedback_id, author_id, min(paired_date) as retracted_date
    from {{ ref('int_feedback_matches') }}
    where state = 'sound' and feedback_type = 'retraction'
        and paired_date between {{ read_from }} and date '{{ var("window_to") }}'
    group by retracts, author_id
),

said as (
    select statements.*
    from statements
    anti join no_corrections using (feedback_received_date, feedback_source_file, feedback_source_line)
),

-- Only outputs that somebody corrected are asked about.
corrected as (
    select distinct request_id, author_id from said where feedback_type = 'explicit_correction'
),

ended as (
    select
        said.*,
        least(
            min(said.paired_date) over (
                partition by said.request_id, said.author_id, said.feedback_type
                order by said.feedback_at, said.feedback_received_date,
                    said.feedback_source_file, said.feedback_source_line
                rows between 1 following and unbounded following
            ),
            retracted.retracted_date
        ) as ended_date
    from said
    inner join corrected using (request_id, author_id)
    left join retracted
        on said.feedback_id = retracted.feedback_id
        and said.author_id is not distinct from retracted.author_id
),

-- What did not hold at the end of any day was put right at once.
held as (
    select * from ended where ended_date is null or ended_date > paired_date
),

praise as (
    select * from held where reward >= {{ threshold.praise }}
),

correction as (
    select * from held where feedback_type = 'explicit_correction'
),

contradictions as (
    select
        {% for side in ['praise', 'correction'] -%}
        {{ side }}.feedback_received_date as {{ side }}_received_date,
        {{ side }}.feedback_source_file as {{ side }}_source_file,
        {{ side }}.feedback_source_line as {{ side }}_source_line,
        {% endfor -%}
        greatest(praise.paired_date, correction.paired_date) as flagged_date
    from praise
    inner join correction
        on praise.request_id = correction.request_id
        and praise.author_id = correction.author_id
        and (praise.ended_date is null or praise.ended_date > correction.paired_date)
        and (correction.ended_date is null or correction.ended_date > praise.paired_date)
    where {{ in_window('greatest(praise.paired_date, correction.paired_date)') }}
        and least(praise.feedback_received_date, correction.feedback_received_date)
            >= greatest(praise.paired_date, correction.paired_date) - {{ var('rules_window_days') }}
)

{% for side in ['praise', 'correction'] -%}
select
    {{ side }}_received_date as feedback_received_date,
    {{ side }}_source_file as feedback_source_file,
    {{ side }}_source_line as feedback_source_line,
    flagged_date
from contradictions
{{ 'union all' if not loop.last }}
{% endfor %}
