{{ config(partition_column='attributed_date') }}

with pairs as (
    select
        feedback_id, request_id, reward, target_kind, target_id, input, output_text, corrected_output,
        {{ words('output_text') }} as output_words,
        {{ words('corrected_output') }} as correction_words,
        {{ citations('output_text') }} as citations,
        attributed_date
    from {{ ref('attributed_feedback') }} as attributed_feedback
    where {{ in_window('attributed_date') }} and feedback_type <> 'retraction'
        -- Feedback on another part says nothing of the chunks.
        and target_kind is distinct from 'component'
        and not {{ is_on_session('attributed_feedback', 'matched_by') }}
        and {{ json_length('input', '$.retrieved') }} > 0
),

elements as (
    {{ json_elements('pairs', 'input', '$.retrieved') }}
),

chunks as (
    select
        * exclude (element, output_text),
        {{ json_text('element', '$.chunk_id') }} as chunk_id,
        {{ json_text('element', '$.document_id') }} as document_id,
        {{ json_text('element', '$.index_version') }} as index_version,
        {{ json_weight('element', '$.rank') }} as rank,
        try_cast({{ json_text('element', '$.score') }} as double) as score,
        {{ words(json_text('element', '$.text')) }} as chunk_words
    from elements
    where json_type(element) = 'OBJECT'
),

-- Ranks count from 1; where they do not, or not all chunks have one, their order does.
ranked as (
    select
        *,
        case
            when min(rank) over of_feedback >= 1 and count(rank) over of_feedback = count(*) over of_feedback then rank
            else rank() over (partition by feedback_id order by coalesce(rank, position), rank is null)
        end as place,
        row_number() over (partition by feedback_id order by coalesce(rank, position), position) as number
    from chunks
    window of_feedback as (partition by feedback_id)
),

judged as (
    select
        *,
        coalesce(target_kind = 'chunk', false) as is_explicit,
        coalesce(target_kind = 'chunk' and chunk_id = target_id, false) as is_target,
        coalesce(
            list_contains(citations, lower(chunk_id)) or list_contains(citations, lower(document_id))
            or list_contains(citations, number::varchar), false
        ) as is_cited,
        {{ supported_share('correction_words', 'output_words', 'chunk_words') }} as overlap
    from ranked
),

weighted as (
    select
        *,
        case when is_explicit then is_target::integer else 1 end as weight_equal,
        case when is_explicit then is_target::integer else 1 / log2(1 + place) end as weight_rank,
        case when is_explicit then is_target::integer else is_cited::integer end as weight_cited
    from judged
),

summed as (
    select
        *,
        sum(weight_equal) over of_feedback as sum_equal,
        sum(weight_rank) over of_feedback as sum_rank,
        sum(weight_cited) over of_feedback as sum_cited
    from weighted
    window of_feedback as (
        partition by feedback_id order by position rows between unbounded preceding and unbounded following
    )
),

final as (
    select
        feedback_id, request_id, position, chunk_id, document_id, index_version, rank, score, is_cited, overlap, reward,
        is_explicit,
        weight_equal / sum_equal as share_equal,
        weight_rank / sum_rank as share_rank_discount,
        case when sum_cited > 0 then weight_cited / sum_cited end as share_cited,
        attributed_date
    from summed
),

-- What was found before the texts went.
findings as (
    select kept.*
    from (
        {{ text_findings('int_chunk_shares', {
            'feedback_id': 'VARCHAR', 'request_id': 'VARCHAR', 'position': 'BIGINT', 'chunk_id': 'VARCHAR',
            'document_id': 'VARCHAR', 'index_version': 'VARCHAR', 'rank': 'DOUBLE', 'score': 'DOUBLE', 'is_cited': 'BOOLEAN',
            'overlap': 'DOUBLE', 'reward': 'DOUBLE', 'is_explicit': 'BOOLEAN', 'share_equal': 'DOUBLE',
            'share_rank_discount': 'DOUBLE', 'share_cited': 'DOUBLE', 'attributed_date': 'DATE',
        }) }}
    ) as kept
    semi join pairs using (feedback_id, attributed_date)
)

select * from findings
union all by name
select * from final
anti join findings using (feedback_id)
