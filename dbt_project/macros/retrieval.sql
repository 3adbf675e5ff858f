{#
    What an answer cites, in lower case: each entry of its brackets, [1], [2, 3], [chunk-7] or 【4】. A number is the place
    of a chunk among those retrieved, from 1; anything else is held against the ids of chunks and documents.
#}
{% macro citations(text) -%}
    {{ return(adapter.dispatch('citations')(text)) }}
{%- endmacro %}

{% macro default__citations(text) -%}
    list_distinct(list_transform(
        flatten(list_transform(
            regexp_extract_all(lower({{ text }}), '[\[【]([^\[\]【】]{1,200})[\]】]', 1),
            lambda entries: regexp_split_to_array(entries, '[,;]')
        )),
        lambda entry: trim(entry, ' ^#')
    ))
{%- endmacro %}

{#
    How much of what a correction brought in a chunk supports, from 0 to 1: of the correction's words that the output did
    not have, the share that the chunk has. Short words, which any text has, count only where it brought in no other.
    Null where there is no correction, or it brought in nothing.
#}
{% macro supported_share(correction_words, output_words, chunk_words) -%}
    {{ return(adapter.dispatch('supported_share')(correction_words, output_words, chunk_words)) }}
{%- endmacro %}

{% macro default__supported_share(correction_words, output_words, chunk_words) -%}
    {%- set new_words -%}
        list_filter({{ correction_words }}, lambda word: not list_contains(coalesce({{ output_words }}, []), word))
    {%- endset -%}
    {%- set telling_words -%}
        coalesce(
            nullif(list_filter({{ new_words }}, lambda word: regexp_matches(word, '....|[^a-z]')), []), {{ new_words }}
        )
    {%- endset -%}
    case
        when len({{ telling_words }}) > 0
            then len(list_intersect({{ telling_words }}, coalesce({{ chunk_words }}, [])))::double
                / len({{ telling_words }})
    end
{%- endmacro %}

{#
    The reward of each feedback spread over the chunks that its answer was given. Feedback on a chunk is that chunk's
    (`explicit`). Otherwise `method` is SQL for `cited` (the cited ones in equal parts, and where none is cited as
    `rank_discount`), `rank_discount` (1/log2(1 + rank), as in DCG), or `equal`.
#}
{% macro chunk_credits(shares, method) -%}
    select
        feedback_id, request_id, position, chunk_id, document_id, index_version, rank, score, is_cited, overlap, reward,
        reward * case
            when is_explicit or {{ method }} = 'equal' then share_equal
            when {{ method }} = 'cited' then coalesce(share_cited, share_rank_discount)
            when {{ method }} = 'rank_discount' then share_rank_discount
            else error('chunk_credit: method must be cited, rank_discount or equal, not ' || {{ method }})
        end as credit,
        case
            when is_explicit then 'explicit'
            when overlap is not null and reward is null then 'correction_overlap'
            when {{ method }} = 'cited' and share_cited is null then 'rank_discount'
            else {{ method }}
        end as method,
        attributed_date
    from {{ shares }}
{%- endmacro %}
