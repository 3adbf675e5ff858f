{%- for stream in ['inferences', 'feedback', 'reviews'] %}
select '{{ stream }}' as stream, received_date, source_file, source_line, dead_letter_detail as erasure_id
from {{ source('ledger', stream) }}
where {{ is_erased() }}
{{ 'union all' if not loop.last }}
{%- endfor %}
