{{ config(partition_column='received_date') }}

with first_lines as (
    select received_date, source_file, source_line
    from {{ ref('int_inference_receipts') }}
    where {{ in_window('received_date') }} and is_first and exposed is distinct from false
),

lines as (
    select * from {{ ref('stg_inferences') }} where {{ in_window('received_date') }} and propensity > 0
),

logged as (
    select lines.* exclude (propensity), lines.propensity as exact_propensity, {{ policy_columns('lines') }}
    from lines
    inner join first_lines using (received_date, source_file, source_line)
)

select
    request_id, inference_at, endpoint, model_name, model_version, variant, user_id, session_id, input as context,
    cell as slot, action, exact_propensity as propensity,
    coalesce(is_text_expired, false) as is_text_expired, received_date
from logged
where action is not null
