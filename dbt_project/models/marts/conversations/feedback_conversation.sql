{{ config(materialized='view') }}

{{ conversations("date '9999-12-31'") }}
