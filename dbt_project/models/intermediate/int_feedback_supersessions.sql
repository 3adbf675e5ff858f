{{ config(partition_column='effective_date') }}

{#-
    Attributed feedback with what it is about: a session, whichever of its turns it was matched with, or an inference. The
    output is meant where no part is named, and a turn is its output.
-#}
{%- set attributions -%}
    (
        select
            * exclude (target_kind, target_id),
            is_on_session and inference_session_id is not null as is_of_session,
            case when is_on_session then coalesce(inference_session_id, request_id) else request_id end as subject_id,
            case when target_kind in ('chunk', 'component') then target_kind end as part_kind,
            case when target_kind in ('chunk', 'component', 'output') then target_id end as part_id
        from (
            select *, {{ is_on_session('attributions', 'reason') }} as is_on_session
            from {{ ref('int_feedback_attributions') }} as attributions
        )
    )
{%- endset %}

with attributed_now as (
    select feedback_id, is_of_session, subject_id, user_id, feedback_type, retracts
    from {{ attributions }}
    where {{ in_window('attributed_date') }}
),

taken_back_now as (
    select is_of_session, subject_id, user_id, feedback_type
    from {{ attributions }}
    where attributed_date <= date '{{ var("window_to") }}'
        and feedback_id in (select retracts from attributed_now where feedback_type = 'retraction')
),

-- Only those who said something in the window can have changed what holds. What is taken back in the window
-- may have been superseded before: it ends once, so its statements are looked at too.
touched as (
    select is_of_session, subject_id, user_id, feedback_type from attributed_now where user_id is not null
    union
    select is_of_session, subject_id, user_id, feedback_type from taken_back_now where user_id is not null
),

-- All of history is read past what is touched, and little of it is kept.
statements as (
    select
        feedback_id, is_of_session, subject_id, user_id, feedback_type, part_kind, part_id, feedback_at,
        feedback_received_date as received_date, feedback_source_file as source_file,
        feedback_source_line as source_line, attributed_date
    from {{ attributions }}
    semi join touched using (is_of_session, subject_id, user_id, feedback_type)
    where feedback_type <> 'retraction' and attributed_date <= date '{{ var("window_to") }}'
),

with_next as (
    select
        *,
        min(attributed_date) over later as next_attributed_date,
        -- Of the later statements the one that was known first: one nearer in time may be attributed after it.
        min_by(
            feedback_id, row(attributed_date, feedback_at, received_date, source_file, source_line)
        ) over later as next_feedback_id
    from statements
    window later as (
        partition by is_of_session, subject_id, user_id, feedback_type, part_kind, part_id
        order by feedback_at, received_date, source_file, source_line
        rows between 1 following and unbounded following
    )
),

superseded as (
    select feedback_id, 'superseded' as cause, next_feedback_id as by_feedback_id,
        greatest(attributed_date, next_attributed_date) as effective_date
    from with_next
    where next_feedback_id is not null
),

-- What was taken back, or given, in the window; and statements that were taken back at any time.
ended_now as (
    select retracts as feedback_id from attributed_now where feedback_type = 'retraction'
    union
    select feedback_id from attributed_now
    union
    select feedback_id from statements
),

retractions as (
    select feedback_id, retracts, user_id, attributed_date
    from {{ ref('int_feedback_attributions') }}
    where feedback_type = 'retraction' and attributed_date <= date '{{ var("window_to") }}'
        and retracts in (select feedback_id from ended_now)
),

retractable as (
    select feedback_id, user_id, attributed_date
    from {{ ref('int_feedback_attributions') }}
    where attributed_date <= date '{{ var("window_to") }}'
        and feedback_id in (select retracts from retractions)
),

-- One may take back one's own words only; where a user is not known, the id alone says whose they are.
retracted as (
    select taken_back.feedback_id, 'retracted' as cause, retractions.feedback_id as by_feedback_id,
        greatest(taken_back.attributed_date, retractions.attributed_date) as effective_date
    from retractable as taken_back
    inner join retractions on taken_back.feedback_id = retractions.retracts
    where coalesce(taken_back.user_id, retractions.user_id, '')
        = coalesce(retractions.user_id, taken_back.user_id, '')
),

all_causes as (
    select * from superseded
    union all
    select * from retracted
),

-- The first cause counts: what does not hold any more can not stop holding again.
first_cause as (
    select *
    from all_causes
    qualify row_number() over (
        partition by feedback_id order by effective_date, cause, by_feedback_id
    ) = 1
)

select * from first_cause where {{ in_window('effective_date') }}
