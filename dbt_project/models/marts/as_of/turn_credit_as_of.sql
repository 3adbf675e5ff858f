{{ config(parameters=['as_of', "method := 'equal'"]) }}

{{ turn_credits('as_of::date', 'method') }}
