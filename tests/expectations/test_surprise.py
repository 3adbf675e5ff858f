"""The statistic by itself: calm on honest traffic, awake to broken lines, whatever the number of lines."""

from collections.abc import Sequence

import numpy as np
import pytest

from expectations.surprise import Rate, Verdict, rate_surprise, volume_surprise

HONEST = 0.01


def rate(today: Rate, days: Sequence[Rate], *, rise_only: bool = True) -> Verdict:
    return rate_surprise(today, days, day_to_day=0.002, rise_only=rise_only, range_surprise=3)


def steady(share: float, whole: int, days: int) -> list[Rate]:
    return [Rate(round(share * whole), whole, n % 7) for n in range(days)]


def test_a_share_as_ever_is_no_surprise_and_a_rise_is_the_more_so_the_more_there_are() -> None:
    days = steady(HONEST, 1_000, 14)
    assert rate(Rate(10, 1_000, 0), days).surprise < 1
    rising = [rate(Rate(part, 1_000, 0), days).surprise for part in range(10, 500, 10)]
    assert rising == sorted(rising)
    assert rate(Rate(100, 1_000, 0), days).surprise > 5


def test_many_lines_alone_surprise_nobody() -> None:
    """A tenth of a percent more of a hundred million lines would be significant to every textbook test."""
    assert rate(Rate(1_100_000, 100_000_000, 0), steady(HONEST, 100_000_000, 28)).surprise < 1


@pytest.mark.parametrize("part", range(4))
def test_few_lines_surprise_little(part: int) -> None:
    assert rate(Rate(part, 8, 5), steady(HONEST, 1_000, 28)).surprise < 5


def test_a_fall_surprises_only_where_it_is_asked_about() -> None:
    days = steady(0.5, 1_000, 14)
    assert rate(Rate(100, 1_000, 0), days).surprise == 0
    assert rate(Rate(100, 1_000, 0), days, rise_only=False).surprise > 5


def test_the_range_is_what_would_not_surprise() -> None:
    days = steady(HONEST, 1_000, 14)
    verdict = rate(Rate(10, 1_000, 0), days)
    inside, outside = round(verdict.high * 1_000), round(verdict.high * 1_000) + 1
    assert rate(Rate(inside, 1_000, 0), days).surprise <= 3 < rate(Rate(outside, 1_000, 0), days).surprise
    both = rate(Rate(500, 1_000, 0), steady(0.5, 1_000, 14), rise_only=False)
    assert 0.3 < both.low < both.expected < both.high < 0.7


def test_bad_days_do_not_teach_that_bad_is_normal_until_they_are_half() -> None:
    good, bad = steady(HONEST, 1_000, 14), steady(0.1, 1_000, 13)
    assert rate(Rate(100, 1_000, 6), [*good, *bad]).surprise > 3
    assert rate(Rate(100, 1_000, 6), [*good[:5], *bad]).surprise < 1


def test_days_that_vary_are_allowed_to() -> None:
    wild = [Rate(part, 1_000, n % 7) for n, part in enumerate([2, 40, 8, 60, 5, 30, 12, 50, 3, 25, 45, 9, 70, 15])]
    assert rate(Rate(100, 1_000, 0), wild).surprise < 5
    assert rate(Rate(100, 1_000, 0), steady(HONEST, 1_000, 14)).surprise > 5


def test_a_weekday_is_compared_with_itself_too() -> None:
    weekend_differs = [Rate(60 if n % 7 >= 5 else 5, 1_000, n % 7) for n in range(28)]
    assert rate(Rate(60, 1_000, 5), weekend_differs).surprise < 1
    assert rate(Rate(60, 1_000, 2), weekend_differs).surprise > 3


@pytest.mark.parametrize("days", [5, 10, 28])
def test_volume_varies_by_factors(days: int) -> None:
    before = [(1_000 + n % 50, n % 7) for n in range(days)]
    assert volume_surprise(1_000, 0, before, range_surprise=3).surprise < 1
    assert volume_surprise(1_500, 0, before, range_surprise=3).surprise < 3
    down, up = (volume_surprise(n, 0, before, range_surprise=3).surprise for n in (1, 1_000_000))
    assert min(down, up) > 3
    assert volume_surprise(0, 0, before, range_surprise=3).surprise == down
    found = volume_surprise(1_000, 0, before, range_surprise=3)
    assert found.low < found.expected < found.high


def test_a_quiet_weekend_is_known_after_two() -> None:
    before = [(100 if n % 7 >= 5 else 1_000, n % 7) for n in range(14)]
    assert volume_surprise(100, 5, before, range_surprise=3).surprise < 1
    assert volume_surprise(100, 2, before, range_surprise=3).surprise > 3


def test_the_tail_is_the_beta_binomials() -> None:
    """Against draws: 200,000 days of 300 lines around 1 %, as correlated as is assumed."""
    random = np.random.default_rng(7)
    days = steady(HONEST, 3_000, 28)
    correlation = 0.002 * (1 + 6 / 28) + np.pi / 2 / (28 * 3_000 + 1)
    strength = 1 / correlation - 1
    drawn = random.binomial(300, random.beta(HONEST * strength, (1 - HONEST) * strength, 200_000))
    for part in (6, 8, 10):
        expected = -np.log10((drawn >= part).mean())
        assert rate(Rate(part, 300, 0), days).surprise == pytest.approx(expected, abs=0.1)
