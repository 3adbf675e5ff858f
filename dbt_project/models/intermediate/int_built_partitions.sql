{{ config(partition_column='partition_date') }}

-- Which ledger each partition was built from. It is the last model of a run, so that a run that was stopped
-- half-way leaves its partitions recorded as they were, and the next one builds them again.
-- depends_on: {{ ref('attributed_feedback') }}
-- depends_on: {{ ref('feedback_status') }}
-- depends_on: {{ ref('dead_letter') }}
-- depends_on: {{ ref('daily_accounts') }}
-- depends_on: {{ ref('partition_quality') }}
-- depends_on: {{ ref('partition_profile') }}
-- depends_on: {{ ref('rule_rates') }}
-- depends_on: {{ ref('feedback_under_review') }}
-- depends_on: {{ ref('component_credit') }}
-- depends_on: {{ ref('chunk_credit') }}
-- depends_on: {{ ref('retrieval_outcomes') }}
-- depends_on: {{ ref('conversation_turns') }}
-- depends_on: {{ ref('preference_sides') }}
-- depends_on: {{ ref('inference_history') }}
-- depends_on: {{ ref('variant_comparison') }}
-- depends_on: {{ ref('off_policy_estimates') }}
-- depends_on: {{ ref('logged_choices') }}
-- depends_on: {{ ref('int_feedback_standings') }}
-- depends_on: {{ ref('int_feedback_supersessions') }}

with feedback as (
    select * from {{ ledger_versions('feedback') }} where {{ in_window('received_date') }}
),

inferences as (
    select * from {{ ledger_versions('inferences') }} where {{ in_window('received_date') }}
),

-- A ledger from before there were reviews has days without them.
reviews as (
    select * from {{ ledger_versions('reviews') }} where {{ in_window('received_date') }}
)

select
    received_date as partition_date,
    inferences.ledger_version as inferences_version,
    feedback.ledger_version as feedback_version,
    coalesce(reviews.ledger_version, '') as reviews_version
from feedback
inner join inferences using (received_date)
left join reviews using (received_date)
