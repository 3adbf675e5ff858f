{{ config(parameters='as_of') }}

{{ conversations('as_of::date') }}
