{%- do rule(
    description='The correction is the output again, but for spaces, line breaks and the forms of Unicode.',
    source='Grundkiewicz and Junczys-Dowmunt 2014, WikEd: edits that change nothing are left out of correction corpora.',
    priority=20
) -%}

select
    feedback_received_date,
    feedback_source_file,
    feedback_source_line,
    paired_date as flagged_date
from {{ ref('int_correction_measures') }}
where is_same_text and {{ in_window('paired_date') }}
