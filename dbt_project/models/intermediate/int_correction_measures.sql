{{ config(partition_column='paired_date') }}

{%- set is_correction = "state = 'sound' and feedback_type = 'explicit_correction' and " ~ in_window('paired_date') %}

with corrections as (
    select
        feedback_received_date, feedback_source_file, feedback_source_line,
        inference_received_date, inference_source_file, inference_source_line, paired_date
    from {{ ref('int_feedback_matches') }}
    where {{ is_correction }}
),

feedback as (
    select received_date, source_file, source_line, corrected_output as correction
    from {{ ref('stg_feedback') }}
    where received_date in ({{ hit_days(ref('int_feedback_matches'), 'feedback_received_date', is_correction) }})
        and corrected_output is not null
),

inferences as (
    select
        received_date, source_file, source_line, {{ json_text('output', '$.text') }} as output,
        -- All of what the model was given, names of fields included: what it shares with a correction is context.
        input as prompt
    from {{ ref('stg_inferences') }}
    where received_date in ({{ hit_days(ref('int_feedback_matches'), 'inference_received_date', is_correction) }})
        and (received_date, source_file, source_line) in (
            select (inference_received_date, inference_source_file, inference_source_line) from corrections
        )
),

both_texts as (
    select corrections.*, feedback.correction, inferences.output, inferences.prompt
    from corrections
    inner join feedback
        on corrections.feedback_received_date = feedback.received_date
        and corrections.feedback_source_file = feedback.source_file
        and corrections.feedback_source_line = feedback.source_line
    inner join inferences
        on corrections.inference_received_date = inferences.received_date
        and corrections.inference_source_file = inferences.source_file
        and corrections.inference_source_line = inferences.source_line
    where inferences.output is not null
),

with_words as (
    select
        *,
        {{ words('correction') }} as correction_words,
        {{ words('output') }} as output_words,
        {{ all_words('prompt') }} as prompt_words
    from both_texts
),

-- Numbers only: whoever asks for the texts finds them by the lines.
final as (
    select
        feedback_received_date, feedback_source_file, feedback_source_line,
        {{ same_text('correction', 'output') }} as is_same_text,
        length(correction) as correction_characters,
        length(output) as output_characters,
        len(correction_words) as correction_words,
        len(output_words) as output_words,
        len(list_intersect(correction_words, list_concat(output_words, coalesce(prompt_words, [])))) as shared_words,
        {{ script('correction') }} as correction_script,
        {{ script('output') }} as output_script,
        paired_date
    from with_words
),

-- What was measured before one of the texts went.
findings as (
    select kept.*
    from (
        {{ text_findings('int_correction_measures', {
            'feedback_received_date': 'DATE', 'feedback_source_file': 'VARCHAR', 'feedback_source_line': 'BIGINT',
            'is_same_text': 'BOOLEAN', 'correction_characters': 'BIGINT', 'output_characters': 'BIGINT',
            'correction_words': 'BIGINT', 'output_words': 'BIGINT', 'shared_words': 'BIGINT',
            'correction_script': 'VARCHAR', 'output_script': 'VARCHAR', 'paired_date': 'DATE',
        }) }}
    ) as kept
    semi join corrections using (feedback_received_date, feedback_source_file, feedback_source_line)
)

select * from final
union all by name
select * from findings
anti join both_texts using (feedback_received_date, feedback_source_file, feedback_source_line)
