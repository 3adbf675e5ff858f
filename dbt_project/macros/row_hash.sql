{#
    What a row of this model holds beside its `row_hash`, as a number that another content has once in 2^64: whoever reads
    rows again and again asks for it in place of wide texts. `row` is an alias. Engines and their versions count
    differently, so that it says that a row is what it was, and never that it is not. The columns are the contract's;
    fractions go in as texts: DuckDB hashes 0.0 and -0.0 alike.
#}
{% macro row_hash(row) -%}
    {{ return(adapter.dispatch('row_hash')(row)) }}
{%- endmacro %}

{% macro default__row_hash(row) -%}
    {#- A unit test of the model is a node of its own, without a contract. #}
    hash({{ row if model.resource_type == 'unit_test' }}
    {%- for column in model.columns.values() if column.name != 'row_hash' -%}
        {{ row }}.{{ column.name }}{{ '::varchar' if column.data_type == 'double' }}{{ ', ' if not loop.last }}
    {%- endfor -%})
{%- endmacro %}
