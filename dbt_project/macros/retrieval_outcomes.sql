{#
    Retriever and generator judged apart, for the feedback that `rows` tells, a predicate on attributed_date. The retrieval
    is judged by what was known of it until the day `known_until`, which may be an expression on `answers`.
#}
{% macro retrieval_outcomes(rows, known_until) -%}
with chunks as (
    select
        feedback_id, min(index_version) as index_version, bool_or(is_cited) as cites, max(overlap) as best_overlap
    from {{ ref('int_chunk_shares') }}
    where {{ rows }} and not is_explicit
    group by feedback_id
),

answers as (
    select
        feedback_id, request_id, reward, model_version, variant, attributed_date,
        case
            when reward > 0 then true
            when reward < 0 then false
            when feedback_type = 'explicit_correction' and is_text_expired then coalesce(measures.is_same_text, false)
            when corrected_output is not null
                then {{ same_text('corrected_output', "coalesce(output_text, '')") }}
        end as is_good_generation
    from {{ ref('attributed_feedback') }} as attributed_feedback
    left join {{ ref('int_correction_measures') }} as measures
        using (feedback_received_date, feedback_source_file, feedback_source_line)
    where {{ rows }}
        -- Feedback on a part or on a whole session is no judgement of the answer.
        and {{ is_about_the_answer('attributed_feedback') }}
        and feedback_id in (select feedback_id from chunks)
),

doubts as (
    select
        feedback_id, standing, effective_date,
        lead(effective_date) over (partition by feedback_id order by effective_date) as next_date
    from {{ ref('int_feedback_standings') }}
),

-- What had been said of the answer's chunks themselves by then, and still held.
explicit as (
    select answers.feedback_id, avg(judgements.reward order by judgements.feedback_id) as reward
    from answers
    inner join {{ ref('int_feedback_attributions') }} as judgements
        on answers.request_id = judgements.request_id
        and judgements.attributed_date <= {{ known_until }}
        and judgements.target_kind = 'chunk'
    left join {{ ref('int_feedback_supersessions') }} as ended
        on judgements.feedback_id = ended.feedback_id and ended.effective_date <= {{ known_until }}
    left join doubts
        on judgements.feedback_id = doubts.feedback_id and doubts.standing <> 'in_force'
        and doubts.effective_date <= {{ known_until }}
        and coalesce(doubts.next_date > {{ known_until }}, true)
    where judgements.reward is not null and ended.feedback_id is null and doubts.feedback_id is null
    group by answers.feedback_id
),

judged as (
    select
        answers.*, chunks.index_version, chunks.best_overlap,
        case
            when explicit.reward <> 0 then explicit.reward > 0
            when chunks.best_overlap is not null then chunks.best_overlap >= {{ var('supporting_overlap') }}
            when answers.is_good_generation and chunks.cites then true
        end as is_good_retrieval,
        case
            when explicit.reward <> 0 then 'explicit'
            when chunks.best_overlap is not null then 'correction_overlap'
            when answers.is_good_generation and chunks.cites then 'cited'
        end as judged_by
    from answers
    inner join chunks on answers.feedback_id = chunks.feedback_id
    left join explicit on answers.feedback_id = explicit.feedback_id
    where answers.is_good_generation is not null
),

final as (
    select
        feedback_id, request_id, model_version, variant, index_version, is_good_retrieval, is_good_generation,
        case is_good_retrieval when true then 'good' when false then 'bad' else 'unknown' end || '_retrieval_'
            || case when is_good_generation then 'good' else 'bad' end || '_generation' as outcome,
        judged_by, best_overlap, attributed_date
    from judged
)

select * from final
{%- endmacro %}
