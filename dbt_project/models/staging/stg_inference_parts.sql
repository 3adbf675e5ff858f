select
    request_id, received_date, source_file, source_line,
    {{ json_length('output', '$.alternatives') }} as alternatives,
    {{ json_texts('input', '$.retrieved[*].chunk_id') }} as chunk_ids,
    {{ json_texts('components', '$[*].name') }} as component_names
from {{ ref('stg_inferences') }}
