{{ config(materialized='view') }}

{{ turn_credits("date '9999-12-31'", "'equal'") }}
