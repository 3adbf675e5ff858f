{%- set threshold = rule(
    description='A signal that a person gives came sooner after the answer than a person can react.',
    source='Card, Moran and Newell 1983, Model Human Processor: perceiving, deciding and moving take 240 ms, 105 at the least; 200 ms is the usual bound for one simple reaction.',
    threshold={
        'seconds': 0.2,
        'gestures': [
            'click', 'tap', 'press', 'swipe', 'scroll', 'hover', 'select', 'copy', 'copied', 'paste', 'accept', 'dismiss',
            'insert', 'apply', 'applied', 'submit', 'share', 'save', 'saved', 'download', 'bookmark', 'expand', 'follow',
            'purchase', 'regenerate', 'retry', 'retried', 'rephrase', 'undo', 'upvote', 'downvote', 'keystroke',
        ],
    },
    priority=30
) -%}

-- Gestures by their names: what a program measures (`solved`, `exact_match`, `impression`) may come at once. The
-- same instant on both sides is one log line's one time, and no lag that was measured.
select
    feedback_received_date,
    feedback_source_file,
    feedback_source_line,
    paired_date as flagged_date
from {{ ref('int_feedback_matches') }}
where state = 'sound' and feedback_type = 'implicit_signal' and {{ in_window('paired_date') }}
    and coalesce(source, 'user') in ('user', 'annotator')
    and regexp_matches(
        lower(signal), '(^|[^a-z])({{ threshold.gestures | join("|") }})(s|d|ed|ped|ted|ing)?([^a-z]|$)'
    )
    and feedback_at > inference_at
    and {{ seconds_between('inference_at', 'feedback_at') }} < {{ threshold.seconds }}
