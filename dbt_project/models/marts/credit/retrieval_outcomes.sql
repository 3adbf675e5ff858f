{{ config(partition_column='attributed_date') }}

{{ retrieval_outcomes(rows=in_window('attributed_date'), known_until='answers.attributed_date') }}
