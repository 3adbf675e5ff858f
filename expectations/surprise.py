"""How surprising a number of today is, given the numbers of the days before: pure statistics, no thresholds.

Surprise is `-log10(p)`, where p is the probability that a day like the recent ones shows at least as much:
3 is once in a thousand such days, 6 once in a million.

**Rates** (so many lines of so many) are held against a beta-binomial: the binomial noise of few lines, times
a day-to-day variation that does not vanish with many, so that ten million lines do not make a change of a
hundredth of a percent an alarm. Its centre is the median of the days' shares and its spread comes from their
median absolute deviation: up to half of the days may be bad without teaching that bad is normal.
**Volumes** vary by factors, so their logarithm is held against Student's t around the median.

Where a weekday is known from its earlier weeks, the centre that is nearer to today counts: weekends have
their own volume, mix and error rate.

Sources: J. G. Skellam, A probability distribution derived from the binomial distribution..., JRSS B 10 (1948);
P. J. Rousseeuw and C. Croux, Alternatives to the median absolute deviation, JASA 88 (1993), for 1.4826;
D. L. Wallace, Bounds on normal approximations to Student's..., Ann. Math. Stat. 30 (1959), for t to normal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

import numpy as np

# The median absolute deviation of a normal distribution, as its standard deviation.
_MAD_TO_SD = 1.4826
# A spread that was estimated from N days is widened by (1 + 6/N): a median of five deviations falls short of
# the truth by half once in ten times.
_FEW_DAYS = 6.0
# The spread of the days counts as theirs beyond so many times the binomial variance of their lines: with 0 to 2
# broken lines a day the estimate is off by as much.
_NOISE = 2.5
# More lines are counted as so many. Their binomial noise (0.0005) is lost in the day-to-day variation.
_MOST_LINES = 2_000
# Volumes differ by a fifth from day to day wherever people use a thing.
_VOLUME_SPREAD = math.log(1.25)
# Weekdays known from fewer weeks say nothing about theirs.
_FEWEST_WEEKS = 2
_MOST_SURPRISING = 300.0


@dataclass(frozen=True)
class Rate:
    """So many lines (`part`) of so many (`whole`) on one day; `weekday` as `date.weekday()` gives it."""

    part: int
    whole: int
    weekday: int

    @property
    def share(self) -> float:
        return self.part / self.whole


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was expected and how surprising today is. `low` to `high` is what would not be."""

    expected: float
    low: float
    high: float
    surprise: float


def rate_surprise(
    today: Rate, days: Sequence[Rate], *, day_to_day: float, rise_only: bool, range_surprise: float
) -> Verdict:
    """Holds today's share against that of the days before; all wholes and the number of days are above 0.

    `day_to_day` is the least correlation of two lines of a day that is assumed (the beta-binomial's rho):
    0.002 lets a rate of 1 % vary by 0.45 points and one of 50 % by 2.2. `low` and `high` bound what is
    less surprising than `range_surprise`.
    """
    shares = [day.share for day in days]
    lines = sum(day.whole for day in days)
    middle = median(shares)
    weeks = [day.share for day in days if day.weekday == today.weekday]
    centre = _nearer(today.share, middle, median(weeks) if len(weeks) >= _FEWEST_WEEKS else middle)
    # Half a line in all of them (Jeffreys): what has never been seen is rare, not impossible.
    expected = (centre * lines + 0.5) / (lines + 1)
    spread = _MAD_TO_SD * median(abs(share - middle) for share in shares)
    seen = spread**2 / (expected * (1 - expected)) - _NOISE * median(1 / day.whole for day in days)
    correlation = min(0.5, max(day_to_day, seen) * (1 + _FEW_DAYS / len(days)) + math.pi / 2 / (lines + 1))
    whole = min(today.whole, _MOST_LINES)
    strength = 1 / correlation - 1
    pmf = _beta_binomial(whole, expected * strength, (1 - expected) * strength)
    at_least = np.cumsum(pmf[::-1])[::-1]
    at_most = np.cumsum(pmf)
    rare = 10**-range_surprise
    high = int(np.searchsorted(-at_least, -rare, side="right")) - 1
    low = int(np.searchsorted(at_most, rare, side="left"))
    # Scaled down in the direction that surprises less.
    counted = today.part * whole / today.whole
    surprise = _surprise(float(at_least[math.floor(counted)])) if today.share > expected else 0.0
    if today.share < expected and not rise_only:
        surprise = _surprise(float(at_most[math.ceil(counted)]))
    return Verdict(expected=expected, low=0.0 if rise_only else low / whole, high=high / whole, surprise=surprise)


def volume_surprise(today: int, weekday: int, days: Sequence[tuple[int, int]], *, range_surprise: float) -> Verdict:
    """Holds the lines of a day against (lines, weekday) of the days before, of which each has lines.

    The range is in lines. No lines count as one: a logarithm has no zero.
    """
    logs = [math.log(lines) for lines, _ in days]
    middle = median(logs)
    weeks = [math.log(lines) for lines, of_weekday in days if of_weekday == weekday]
    log_today = math.log(max(today, 1))
    centre = _nearer(log_today, middle, median(weeks) if len(weeks) >= _FEWEST_WEEKS else middle)
    spread = max(_VOLUME_SPREAD, _MAD_TO_SD * median(abs(log - middle) for log in logs))
    scale = spread * math.sqrt(1 + 1 / len(days))
    freedom = max(1, len(days) - 1)
    far = scale * _t_of_normal(_normal_of_surprise(range_surprise), freedom)
    z = _normal_of_t(abs(log_today - centre) / scale, freedom)
    return Verdict(
        expected=math.exp(centre),
        low=math.exp(centre - far),
        high=math.exp(centre + far),
        surprise=_surprise(math.erfc(z / math.sqrt(2)) / 2),
    )


def _nearer(today: float, one: float, other: float) -> float:
    return min(one, other, key=lambda centre: abs(today - centre))


def _beta_binomial(n: int, a: float, b: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The probabilities of 0 to n."""
    k = np.arange(n, dtype=np.float64)
    steps = np.log(n - k) + np.log(k + a) - np.log(k + 1) - np.log(n - k - 1 + b)
    none = math.lgamma(b + n) - math.lgamma(b) + math.lgamma(a + b) - math.lgamma(a + b + n)
    logs = np.concatenate([[none], none + np.cumsum(steps)])
    probabilities: np.ndarray[tuple[int], np.dtype[np.float64]] = np.exp(logs)
    return probabilities


def _surprise(p: float) -> float:
    return min(_MOST_SURPRISING, -math.log10(p)) if p > 0 else _MOST_SURPRISING


def _normal_of_t(t: float, freedom: int) -> float:
    """The normal deviate that is as rare as Student's t (Wallace)."""
    factor = (8 * freedom + 1) / (8 * freedom + 3)
    return factor * math.sqrt(freedom * math.log1p(t * t / freedom))


def _t_of_normal(z: float, freedom: int) -> float:
    factor = (8 * freedom + 1) / (8 * freedom + 3)
    return math.sqrt(freedom * math.expm1((z / factor) ** 2 / freedom))


def _normal_of_surprise(surprise: float) -> float:
    return -NormalDist().inv_cdf(10**-surprise)
