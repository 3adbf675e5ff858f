{%- set threshold = rule(
    description='Praise of an output after somebody else had corrected it, or an annotator had found it bad.',
    source='Dawid and Skene 1979: later votes are weighed against what is already known of the item.',
    threshold={'praise': 0.5, 'blame': -0.5},
    priority=31
) -%}

-- Annotators who differ are a matter of agreement and not of abuse: their praise is not asked about.
with statements as (
    select
        request_id, author_id, source, feedback_type, reward, feedback_at, paired_date,
        feedback_received_date, feedback_source_file, feedback_source_line
    from {{ ref('int_feedback_matches') }}
    where state = 'sound' and author_id is not null
        and paired_date between {{ rules_look_back_to() }} and date '{{ var("window_to") }}'
        and coalesce(target_kind, 'output') in ('output', 'turn')
),

praise as (
    select * from statements
    where reward >= {{ threshold.praise }} and coalesce(source, 'user') = 'user'
),

no_corrections as (
    select feedback_received_date, feedback_source_file, feedback_source_line
    from {{ ref('int_correction_measures') }}
    where is_same_text and paired_date between {{ rules_look_back_to() }} and date '{{ var("window_to") }}'
),

found_errors as (
    select request_id, paired_date, author_id, min(feedback_at) as feedback_at
    from statements
    anti join no_corrections using (feedback_received_date, feedback_source_file, feedback_source_line)
    where feedback_type = 'explicit_correction' or (source = 'annotator' and reward <= {{ threshold.blame }})
    group by request_id, paired_date, author_id
),

-- Two authors a day are enough to know whether somebody else than the one who praises found the error.
errors as (
    select *
    from found_errors
    qualify row_number() over (partition by request_id, paired_date order by feedback_at, author_id) <= 2
)

select
    praise.feedback_received_date,
    praise.feedback_source_file,
    praise.feedback_source_line,
    greatest(praise.paired_date, errors.paired_date) as flagged_date
from praise
inner join errors
    on praise.request_id = errors.request_id
    and praise.author_id <> errors.author_id
    and errors.feedback_at < praise.feedback_at
    and abs(date_diff('day', errors.paired_date, praise.paired_date)) <= {{ var('rules_window_days') }}
where {{ in_window('greatest(praise.paired_date, errors.paired_date)') }}
