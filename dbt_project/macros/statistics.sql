{#
    Intervals and tests of the experiments' marts, each a formula over counts and sums. Confidence is 95 % everywhere.
    tests/test_statistics.py draws from known distributions and checks what each of them promises.
#}

{# The normal distribution's quantile that leaves 2.5 % above it. #}
{% macro z_95() -%} 1.959963984540054 {%- endmacro %}

{#
    A bound of Wilson's score interval of a share (1927). Unlike the normal interval it stays within 0 and 1 and says
    something where there were no hits. `sign` is - for the lower bound and + for the upper one.
#}
{% macro wilson_bound(hits, n, sign) -%}
    (
        ({{ hits }} + {{ z_95() }} * {{ z_95() }} / 2) {{ sign }} {{ z_95() }} * sqrt(
            greatest(0, {{ hits }} * ({{ n }} - {{ hits }}) / nullif({{ n }}, 0)::double)
            + {{ z_95() }} * {{ z_95() }} / 4
        )
    ) / ({{ n }} + {{ z_95() }} * {{ z_95() }})
{%- endmacro %}

{#
    A bound of a mean's interval by Hall's transformation, which takes the skewness out (Hall, 1992, JRSS B 54, section 2).
    `error` is the mean's standard error, `sum_of_cubes` that of the n observations less their mean. A sum of rare clicks
    with uneven weights is so skewed that the normal interval mostly ends too low.
#}
{% macro skewed_bound(mean, error, sum_of_cubes, n, sign) -%}
    {%- set skewness = '(' ~ sum_of_cubes ~ ' / (' ~ n ~ ' * ' ~ error ~ ') ** 3)' -%}
    {%- set quantile = '(' ~ ('-' if sign == '+' else '') ~ z_95() ~ ')' -%}
    ({{ mean }} - case
        when {{ error }} > 0 and abs({{ skewness }}) > 1e-6
            then {{ error }} * 3 / {{ skewness }}
                * (cbrt(1 + {{ skewness }} * ({{ quantile }} - {{ skewness }} / 6)) - 1)
        else {{ error }} * {{ quantile }}
    end)
{%- endmacro %}

{# The variance of one observation from its sums; null for fewer than two. #}
{% macro sample_variance(n, total, total_of_squares) -%}
    case when {{ n }} > 1
        then greatest(0, {{ total_of_squares }} - {{ total }} * {{ total }} / {{ n }}) / ({{ n }} - 1)
    end
{%- endmacro %}

{#
    The variance of one observation of a share, with a hit and a miss added: a share of 0 in 200 looks certain otherwise,
    and a difference to it decided.
#}
{% macro share_variance(hits, n) -%}
    (({{ hits }} + 1) / ({{ n }} + 2.0) * (1 - ({{ hits }} + 1) / ({{ n }} + 2.0)))
{%- endmacro %}

{#
    rho squared, the one free parameter of the confidence sequence: it makes the interval narrowest after `tuned_for`
    observations, and valid whatever it is (Waudby-Smith et al., arXiv:2103.06476, appendix B.2).
#}
{% macro mixture_variance(tuned_for) -%}
    ((-2 * ln(0.05) + ln(1 - 2 * ln(0.05))) / {{ tuned_for }})
{%- endmacro %}

{#
    Half the width of the asymptotic confidence sequence of a mean by a normal mixture (Waudby-Smith et al.,
    arXiv:2103.06476, theorem 2.2): it holds at all times at once, so it may be looked at every day.
    `squared_error` is the variance of the mean, s²/n. For a difference of two arms it is s1²/n1 + s2²/n2 and n is
    n1 + n2: that is the mean, over all observations, of the difference's influence values.
#}
{% macro anytime_half_width(n, squared_error, tuned_for) -%}
    {%- set time = '(' ~ n ~ ' * ' ~ mixture_variance(tuned_for) ~ ')' -%}
    sqrt(
        {{ squared_error }} * 2 * ({{ time }} + 1) / {{ time }} * ln(sqrt({{ time }} + 1) / 0.05)
    )
{%- endmacro %}

{# The level at which that confidence sequence begins to hold `deviation`: below 0.05 where the 95 % one does not. #}
{% macro anytime_p_value(deviation, n, squared_error, tuned_for) -%}
    {%- set time = '(' ~ n ~ ' * ' ~ mixture_variance(tuned_for) ~ ')' -%}
    least(1.0, exp(
        ln({{ time }} + 1) / 2
        - {{ deviation }} * {{ deviation }} / {{ squared_error }} * {{ time }} / (2 * ({{ time }} + 1))
    ))
{%- endmacro %}

{#
    The sequential multinomial test of Lindon & Malek (arXiv:2011.03567) with a Dirichlet(1, …, 1) prior: the inverse of
    the Bayes factor against the expected shares, a p-value that may be looked at every day. `arms` is how many there
    are, `n` all their counts together; the sums go over the arms.
#}
{% macro share_mismatch_p_value(arms, n, sum_log_factorial_counts, sum_counts_times_log_share) -%}
    least(1.0, exp(least(0.0,
        {{ log_gamma(arms ~ ' + ' ~ n) }} - {{ log_gamma(arms) }} - {{ sum_log_factorial_counts }}
        + {{ sum_counts_times_log_share }}
    )))
{%- endmacro %}

{% macro log_gamma(number) -%}
    {{ return(adapter.dispatch('log_gamma')(number)) }}
{%- endmacro %}

{% macro default__log_gamma(number) -%}
    lgamma({{ number }})
{%- endmacro %}
