{# Made by `make schemas`: what later schema versions brought. Do not edit. #}

{# The columns of a pair. #}
{% macro schema_columns(feedback, inferences) -%}
        {{ inferences }}.reasoning_effort as reasoning_effort,
        {{ inferences }}.source as inference_source,
        {{ inferences }}.provider_name as provider_name,
        {{ inferences }}.request_model as request_model,
        {{ feedback }}.surface as surface,
        {{ feedback }}.locale as locale,
        {{ feedback }}.client_name as client_name,
        {{ feedback }}.client_release as client_release,
{%- endmacro %}

{# The columns of an inference. #}
{% macro new_inference_columns() -%}
    {{ return(['reasoning_effort', 'source', 'provider_name', 'request_model']) }}
{%- endmacro %}
