{# Asked once: what is named twice is a query twice as long. #}
{% macro spark__single_spaced(text) -%}
    regexp_replace({{ text }}, '\s+', ' ', 'g')
{%- endmacro %}

{# The 64 bits that `md5_number_lower` gives: the last eight bytes, the last one first. #}
{% macro spark__text_fingerprint(text) -%}
    {%- set digest = 'md5(' ~ normalized_text(text) ~ ')' -%}
    conv(concat_ws('' {%- for place in range(31, 16, -2) -%} , substr({{ digest }}, {{ place }}, 2) {%- endfor -%}), 16, 10)::ubigint
{%- endmacro %}

{# Spark has no such function: Stirling's series, seven further on, where it is exact to a double's last digits. #}
{% macro spark__log_gamma(number) -%}
    {%- set x = '(' ~ number ~ ')::double' -%}
    {%- set z = '((' ~ number ~ ') + 7.0)' -%}
    (
        ({{ z }} - 0.5) * ln({{ z }}) - {{ z }} + 0.9189385332046727 + 1 / (12 * {{ z }}) - 1 / (360 * pow({{ z }}, 3))
        + 1 / (1260 * pow({{ z }}, 5)) - 1 / (1680 * pow({{ z }}, 7))
        - ln({{ x }} {%- for step in range(1, 7) %} * ({{ x }} + {{ step }}) {%- endfor %})
    )
{%- endmacro %}
