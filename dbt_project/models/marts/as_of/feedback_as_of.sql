{{ config(parameters='as_of') }}

{{ held(ref('attributed_feedback'), 'as_of::date') }}
