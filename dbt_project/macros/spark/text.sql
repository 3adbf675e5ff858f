{# The 64 bits that `md5_number_lower` gives: the last eight bytes, the last one first. #}
{% macro spark__text_fingerprint(text) -%}
    {%- set digest = 'md5(' ~ normalized_text(text) ~ ')' -%}
    conv(concat_ws('' {%- for place in range(31, 16, -2) -%} , substr({{ digest }}, {{ place }}, 2) {%- endfor -%}), 16, 10)::ubigint
{%- endmacro %}
