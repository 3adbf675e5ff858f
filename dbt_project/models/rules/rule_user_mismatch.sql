{%- do rule(
    description='A user judged an answer that was given to another user.',
    source='CONTRACT section 3; OWASP API1 Broken Object Level Authorization: an id in a request proves no right to it.',
    priority=13
) -%}

-- Only where the source says that it was the user: an annotator judges the answers of others by trade.
select
    feedback_received_date,
    feedback_source_file,
    feedback_source_line,
    paired_date as flagged_date
from {{ ref('int_feedback_matches') }}
where state = 'sound' and source = 'user' and user_id <> inference_user_id and {{ in_window('paired_date') }}
