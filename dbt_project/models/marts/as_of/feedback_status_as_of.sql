{{ config(parameters='as_of') }}

{{ feedback_states(as_of='as_of::date', received='@ <= as_of::date') }}
