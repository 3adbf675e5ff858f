{%- set threshold = rule(
    description='A signal that a person gives came sooner after the answer than a person can react.',
    source='Card, Moran and Newell 1983, Model Human Processor: perceiving, deciding and moving take 240 ms, 105 at the least; 200 ms is the usual bound for one simple reaction.',
    threshold={
        'seconds': 0.2,
        'machine_signals': [
            'impression', 'exposure', 'exposed', 'view', 'viewed', 'shown', 'render', 'rendered', 'display',
            'displayed', 'delivered', 'load', 'loaded', 'latency', 'error', 'timeout',
        ],
    },
    priority=30
) -%}

-- The same instant on both sides is one log line's one time, and no lag that was measured.
select
    feedback_received_date,
    feedback_source_file,
    feedback_source_line,
    paired_date as flagged_date
from {{ ref('int_feedback_matches') }}
where state = 'sound' and feedback_type = 'implicit_signal' and {{ in_window('paired_date') }}
    and coalesce(source, 'user') in ('user', 'annotator')
    and lower(signal) not in ('{{ threshold.machine_signals | join("', '") }}')
    and feedback_at > inference_at
    and {{ seconds_between('inference_at', 'feedback_at') }} < {{ threshold.seconds }}
