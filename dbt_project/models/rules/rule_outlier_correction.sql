{%- set threshold = rule(
    description='The correction shares no word with the output or its prompt, and its language or length is another.',
    source='Koehn et al. 2018, WMT shared task on parallel corpus filtering: length ratio, language and overlap tell misaligned pairs.',
    threshold={'times_as_long': 20, 'characters': 400, 'words': 8},
    priority=21
) -%}

-- Terse answers are honest ("42" for a paragraph), so being short is nothing by itself. Two texts of some length
-- in one language share at least its small words.
select
    feedback_received_date,
    feedback_source_file,
    feedback_source_line,
    paired_date as flagged_date
from {{ ref('int_correction_measures') }}
where shared_words = 0 and {{ in_window('paired_date') }}
    and (
        correction_script <> output_script
        or (
            correction_characters >= {{ threshold.characters }}
            and correction_characters >= {{ threshold.times_as_long }} * output_characters
        )
        or (correction_words >= {{ threshold.words }} and output_words >= {{ threshold.words }})
    )
