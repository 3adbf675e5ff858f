{# Texts compared: what is no difference to a reader (case, spaces, Unicode's forms, line ends) is none here. #}
{% macro normalized_text(text) -%}
    {{ return(adapter.dispatch('normalized_text')(text)) }}
{%- endmacro %}

{% macro default__normalized_text(text) -%}
    trim({{ single_spaced('lower(nfc_normalize(' ~ text ~ '))') }})
{%- endmacro %}

{# A text with one space for each run of them. Most have no other, which is told many times faster than it is made so. #}
{% macro single_spaced(text) -%}
    {{ return(adapter.dispatch('single_spaced')(text)) }}
{%- endmacro %}

{% macro default__single_spaced(text) -%}
    case when regexp_matches({{ text }}, '[\t\n\f\r]|  ') then regexp_replace({{ text }}, '\s+', ' ', 'g') else {{ text }} end
{%- endmacro %}

{# Tells equal texts without keeping them: 64 bits of the md5 of the normalized text. #}
{% macro text_fingerprint(text) -%}
    {{ return(adapter.dispatch('text_fingerprint')(text)) }}
{%- endmacro %}

{% macro duckdb__text_fingerprint(text) -%}
    md5_number_lower({{ normalized_text(text) }})
{%- endmacro %}

{# The distinct words of a text as a list; where words are not set apart by spaces, each character is one. #}
{% macro words(text) -%}
    list_distinct({{ all_words(text) }})
{%- endmacro %}

{# The same with those that come again: whoever only looks for some among them is spared what telling them apart costs. #}
{% macro all_words(text) -%}
    {{ return(adapter.dispatch('all_words')(text)) }}
{%- endmacro %}

{% macro default__all_words(text) -%}
    regexp_extract_all(
        lower(nfc_normalize({{ text }})),
        '[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}_]+'
    )
{%- endmacro %}

{# Of ASCII all that parts words is made a space first: to cut at spaces takes half as long as to look for words. #}
{% macro duckdb__all_words(text) -%}
    {%- set parting = [] -%}
    {%- for code in range(128) if not (48 <= code <= 57 or 65 <= code <= 90 or 97 <= code <= 122 or code == 95) -%}
        {%- do parting.append('chr(' ~ code ~ ')') -%}
    {%- endfor -%}
    case
        when strlen({{ text }}) = length({{ text }}) then list_filter(
            string_split(translate(lower({{ text }}), concat({{ parting | join(', ') }}), repeat(' ', {{ parting | length }})), ' '),
            lambda word: word <> ''
        )
        else {{ default__all_words(text) }}
    end
{%- endmacro %}

{# The writing system that most letters of a text belong to, of those named here; null without letters. #}
{% macro script(text) -%}
    {{ return(adapter.dispatch('script')(text)) }}
{%- endmacro %}

{% macro default__script(text) -%}
    {%- set scripts = {
        'latin': '\\p{Latin}', 'cyrillic': '\\p{Cyrillic}', 'greek': '\\p{Greek}', 'arabic': '\\p{Arabic}',
        'hebrew': '\\p{Hebrew}', 'devanagari': '\\p{Devanagari}', 'thai': '\\p{Thai}', 'hangul': '\\p{Hangul}',
        'han_kana': '[\\p{Han}\\p{Hiragana}\\p{Katakana}]',
    } -%}
    {#- Counting is dear, and most texts are ASCII. The most of (letters, name) structs is the name with most letters; one
        without letters is none. -#}
    case
        when strlen({{ text }}) = length({{ text }})
            then case when regexp_matches({{ text }}, '[A-Za-z]') then 'latin' end
        else list_max(list_filter([
            {% for name, letters in scripts.items() -%}
            {'letters': length({{ text }}) - length(regexp_replace({{ text }}, '{{ letters }}', '', 'g')), 'name': '{{ name }}'}{{ ',' if not loop.last }}
            {% endfor -%}
        ], lambda counted: counted.letters > 0)).name
    end
{%- endmacro %}

{#
    Whether two texts differ in spaces, line breaks and the forms of Unicode at most; case and words count.
    Where lines are indented, as in code, spaces count but for those at line ends and around it all.
#}
{% macro same_text(one, other) -%}
    {{ return(adapter.dispatch('same_text')(one, other)) }}
{%- endmacro %}

{% macro default__same_text(one, other) -%}
    case
        when regexp_matches({{ one }}, '\n[ \t]') or regexp_matches({{ other }}, '\n[ \t]')
            then {{ line_ends_trimmed(one) }} = {{ line_ends_trimmed(other) }}
        else trim({{ single_spaced('nfc_normalize(' ~ one ~ ')') }}) = trim({{ single_spaced('nfc_normalize(' ~ other ~ ')') }})
    end
{%- endmacro %}

{% macro line_ends_trimmed(text) -%}
    trim(regexp_replace(nfc_normalize({{ text }}), '[ \t\r]*\n', chr(10), 'g'), concat(' ', chr(9), chr(10), chr(13)))
{%- endmacro %}
