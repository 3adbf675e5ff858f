{{ config(parameters='as_of') }}

with credits as (
    {{ held(ref('chunk_credit'), 'as_of::date') }}
),

-- Feedback on a chunk says nothing of its neighbours.
of_chunks as (
    select * from credits where method <> 'explicit' or credit <> 0 or reward = 0
),

-- What was said of the chunk itself goes before what follows from the answer.
final as (
    select
        request_id, chunk_id, document_id, index_version,
        coalesce(
            avg(reward order by feedback_id) filter (where method = 'explicit'),
            avg(credit order by feedback_id) filter (where method <> 'explicit')
        ) as credit,
        max(overlap) as overlap,
        case
            when count(reward) filter (where method = 'explicit') > 0 then 'explicit'
            when count(credit) filter (where method <> 'explicit') > 0
                then min_by(method, feedback_id) filter (where method <> 'explicit' and credit is not null)
            else min_by(method, feedback_id)
        end as judged_by,
        count(*) as feedback
    from of_chunks
    group by request_id, chunk_id, document_id, index_version
)

select * from final
