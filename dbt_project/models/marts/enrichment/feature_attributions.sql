{{ config(materialized='view') }}

-- A view of the files that the asset of this name writes after dbt has built what it reads: whatever the asset adds
-- later is seen at once, and nothing but dbt writes the warehouse.
with attributions as (
    select * from {{ source('enrichment', 'feature_attributions') }}
)

select
    request_id,
    model_name,
    model_version,
    feature,
    feature_value,
    shap_value,
    base_value,
    explained_output,
    output_name,
    method,
    artefact_sha256,
    skipped,
    attributed_date::date as attributed_date
from attributions
