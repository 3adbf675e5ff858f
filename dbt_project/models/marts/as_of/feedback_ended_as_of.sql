{{ config(parameters='as_of') }}

{{ feedback_ended('as_of::date') }}
