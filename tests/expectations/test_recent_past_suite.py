"""The gate that learns, on profiles in plain values: what blocks, what warns, what passes. Real suites."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from expectations.recent_past import Comparison, ProfileRow, build_suite, compare, query_of
from expectations.report import GateReport
from expectations.session import GateSession
from expectations.thresholds import RecentPast, Thresholds

DAY = date(2024, 6, 19)  # a Wednesday
CLIENT = "no client breaks 3 % of the lines more than it did"
FAULT = "no fault breaks 3 % of the lines more than it did"
RARE = "broken lines are as rare as they were"
HELD_BACK = "no more feedback is repeated, waits or is held back than was"
SHARES = "types, variants, clients and sources have the shares that they had"
LINES = "there are as many lines as there were"

Counts = Mapping[tuple[str, str], tuple[int, int]]
DEFAULTS = Thresholds()


def feedback_day(
    lines: int = 1_000, *, broken: Mapping[str, int] | None = None, new_client: str = "", **states: int
) -> Counts:
    """A day's feedback of two clients, `broken` lines of which are dead letters; the rest is thumbs."""
    broken = {"web": 2} | dict(broken or {})
    own = {"web": lines - lines // 3, "ios": lines // 3} if lines > 10 else {"web": lines}
    if new_client:
        own |= {"web": own["web"] - broken[new_client], new_client: broken[new_client]}
    dead = sum(broken[client] for client in own if client in broken)
    counts = {
        ("volume", "lines"): (lines, lines),
        ("broken", "lines"): (dead, lines),
        ("state", "dead_letter"): (dead, lines),
        ("dead_letter", "wrong_type"): (dead, lines),
        ("feedback_type", "thumbs"): (lines - dead, lines - dead),
    }
    counts |= {("state", state): (part, lines) for state, part in states.items()}
    counts |= {("client_version", client): (part, lines) for client, part in own.items()}
    return counts | {
        ("broken_by_client_version", client): (broken.get(client, 0), part) for client, part in own.items()
    }


def rows(day: date, counts: Counts, *, stream: str = "feedback") -> list[ProfileRow]:
    return [
        ProfileRow(partition_date=day, stream=stream, dimension=dimension, value=value, part=part, whole=whole)
        for (dimension, value), (part, whole) in counts.items()
    ]


def profile(today: Counts, before: Sequence[Counts], *, stream: str = "feedback") -> dict[date, list[ProfileRow]]:
    """`before` are the days before, the last of them yesterday."""
    days = [DAY - timedelta(days=n) for n in range(len(before), -1, -1)]
    return {day: rows(day, counts, stream=stream) for day, counts in zip(days, [*before, today], strict=True)}


def judge(gate: GateSession, comparisons: Sequence[Comparison], thresholds: Thresholds = DEFAULTS) -> GateReport:
    suite = build_suite(day=DAY, comparisons=comparisons, thresholds=thresholds)
    return gate.validate(
        gate="test", asset_name="profile", partition=str(DAY), query=query_of(comparisons), suite=suite
    )


def verdict(
    gate: GateSession, today: Counts, before: Sequence[Counts], *, stream: str = "feedback", **limits: object
) -> tuple[list[str], list[str]]:
    """What blocks and what is warned of."""
    thresholds = replace(DEFAULTS, recent_past=replace(RecentPast(), **limits))  # type: ignore[arg-type]
    report = judge(gate, compare(DAY, profile(today, before, stream=stream), thresholds), thresholds)
    return [o.expectation for o in report.failures], [o.expectation for o in report.warnings]


FORTNIGHT = [feedback_day()] * 14
PASSES: tuple[list[str], list[str]] = ([], [])


def test_a_day_like_the_others_passes_and_says_what_it_was_compared_with(gate: GateSession) -> None:
    comparisons = compare(DAY, profile(feedback_day(), FORTNIGHT), DEFAULTS)
    report = judge(gate, comparisons)
    assert report.success and not report.warnings
    assert {o.observed for o in report.outcomes[1:]} == {"none in comparison with 14 days"}


def test_a_client_that_breaks_a_tenth_blocks_and_is_named_with_what_was_expected(gate: GateSession) -> None:
    comparisons = compare(DAY, profile(feedback_day(broken={"ios": 100}), FORTNIGHT), DEFAULTS)
    report = judge(gate, comparisons)
    assert [o.expectation for o in report.failures] == [CLIENT, FAULT]
    said = report.summary()
    assert f"partition {DAY}" in said
    assert "feedback broken_by_client_version ios: 100 of 333 (30.03 %), expected 0.00 to " in said
    assert "from 14 days, surprise" in said
    assert f"mend the day's landing files or, if it is to stay so, add {DAY} to recent_past.new_normal_from" in said
    assert comparisons[0].verdict is not None
    assert "web" not in {c.row.value for c in comparisons if c.verdict and c.verdict.surprise > 3}


def test_a_client_that_was_never_seen_is_held_against_all(gate: GateSession) -> None:
    assert verdict(gate, feedback_day(broken={"new": 60}, new_client="new"), FORTNIGHT)[0] == [CLIENT, FAULT]


def test_dead_letters_of_inferences_block_too(gate: GateSession) -> None:
    good = {("volume", "lines"): (5_000, 5_000), ("state", "dead_letter"): (10, 5_000)}
    bad = good | {("state", "dead_letter"): (500, 5_000), ("dead_letter", "not_json"): (490, 5_000)}
    assert verdict(gate, bad, [good] * 14, stream="inferences") == ([FAULT], [])


@pytest.mark.parametrize("days", range(5))
def test_the_first_days_pass_and_say_so(gate: GateSession, days: int) -> None:
    comparisons = compare(DAY, profile(feedback_day(broken={"web": 150}), FORTNIGHT[:days]), DEFAULTS)
    report = judge(gate, comparisons)
    assert report.success and not report.warnings
    assert "not compared: fewer than 5 days with lines since 2024-05-22" in report.outcomes[1].observed


def test_days_without_lines_and_days_that_the_fixed_thresholds_block_are_no_past(gate: GateSession) -> None:
    none, awful = feedback_day(0, broken={"web": 0}), feedback_day(broken={"web": 500})
    bad_day = feedback_day(broken={"web": 150})
    assert verdict(gate, bad_day, [none] * 5 + [awful] * 5 + FORTNIGHT[:4]) == PASSES
    assert verdict(gate, bad_day, [none] * 5 + [awful] * 9 + FORTNIGHT[:5])[0] == [CLIENT, FAULT]


def test_an_outage_of_days_does_not_teach_that_broken_is_normal(gate: GateSession) -> None:
    outage = feedback_day(broken={"ios": 100})
    assert verdict(gate, outage, FORTNIGHT + [outage] * 6)[0] == [CLIENT, FAULT]


def test_a_new_normal_is_a_persons_word(gate: GateSession) -> None:
    outage = feedback_day(broken={"ios": 100})
    said = (DAY - timedelta(days=6),)
    assert verdict(gate, outage, FORTNIGHT + [outage] * 6, new_normal_from=said) == PASSES
    assert verdict(gate, feedback_day(broken={"ios": 300}), FORTNIGHT + [outage] * 6, new_normal_from=said)[0]
    assert verdict(gate, outage, FORTNIGHT, new_normal_from=(DAY + timedelta(days=1),))[0] == [CLIENT, FAULT]


def test_a_quiet_weekend_warns_at_most(gate: GateSession) -> None:
    assert verdict(gate, feedback_day(8, broken={"web": 3}), FORTNIGHT) == ([], [LINES])
    assert verdict(gate, feedback_day(0, broken={"web": 0}), FORTNIGHT) == ([], [LINES])


def test_many_times_the_lines_warn_and_block_where_that_is_set(gate: GateSession) -> None:
    assert verdict(gate, feedback_day(50_000, broken={"web": 100}), FORTNIGHT) == ([], [LINES])
    blocked, warned = verdict(gate, feedback_day(50_000, broken={"web": 100}), FORTNIGHT, block_volume_factor=10.0)
    assert blocked == ["there are not 10 times the lines that there were"] and warned == []


def test_a_canary_of_5_percent_passes_and_its_growth_warns(gate: GateSession) -> None:
    before = {("volume", "lines"): (1_000, 1_000), ("variant", "v1"): (1_000, 1_000)}

    def canary(share: int) -> Counts:
        return before | {("variant", "v1"): (1_000 - share, 1_000), ("variant", "canary"): (share, 1_000)}

    assert verdict(gate, canary(50), [before] * 14, stream="inferences") == PASSES
    assert verdict(gate, canary(400), [before] * 14, stream="inferences") == ([], [SHARES])
    assert verdict(gate, before, [canary(400)] * 14, stream="inferences") == ([], [SHARES])


@pytest.mark.parametrize("state", ["duplicate", "requires_human_review", "pending"])
def test_what_is_repeated_waits_or_is_held_back_warns(gate: GateSession, state: str) -> None:
    assert verdict(gate, feedback_day(**{state: 900}), FORTNIGHT) == ([], [HELD_BACK])


def test_attributed_feedback_may_be_as_much_as_it_likes(gate: GateSession) -> None:
    assert verdict(gate, feedback_day(attributed=900), [feedback_day(attributed=100)] * 14) == PASSES


def test_two_percent_more_broken_lines_warn(gate: GateSession) -> None:
    assert verdict(gate, feedback_day(10_000, broken={"ios": 200}), [feedback_day(10_000)] * 14) == ([], [RARE])


def test_every_limit_is_a_setting(gate: GateSession) -> None:
    bad_day = feedback_day(broken={"ios": 100})
    assert verdict(gate, bad_day, FORTNIGHT, block_share=1.0) == ([], [RARE])
    assert verdict(gate, bad_day, FORTNIGHT, block_surprise=100.0) == ([], [RARE])
    assert verdict(gate, bad_day, FORTNIGHT, min_lines=101) == PASSES
    assert verdict(gate, bad_day, FORTNIGHT, min_days=15) == PASSES
    assert verdict(gate, bad_day, FORTNIGHT, history_days=4) == PASSES
    assert verdict(gate, bad_day, FORTNIGHT, day_to_day=0.1) == ([], [RARE])


def test_values_are_quoted_as_they_are(gate: GateSession) -> None:
    """A version may hold a quote or a brace, and the batch is made of literals."""
    odd = feedback_day(broken={"it's {x}": 100}, new_client="it's {x}")
    report = judge(gate, compare(DAY, profile(odd, FORTNIGHT), DEFAULTS))
    assert "it's {x}: 100 of 100" in report.summary()


def simulated(random: np.random.Generator, days: int, *, lines: int, broken: float, correlation: float) -> list[Counts]:
    """Honest days: quiet weekends, volumes that vary by a quarter, three clients and faults, and rates that vary."""
    strength = 1 / correlation - 1
    counts = []
    for n in range(days):
        expected = lines * (0.2 if n % 7 >= 5 else 1.0) * random.lognormal(0, 0.25)
        total = max(1, int(random.poisson(expected)))
        own = random.multinomial(total, [0.6, 0.3, 0.1])
        dead = [int(random.binomial(k, random.beta(broken * strength, (1 - broken) * strength))) for k in own]
        reasons = random.multinomial(sum(dead), [0.5, 0.3, 0.2])
        day = {("volume", "lines"): (total, total)}
        day |= {("broken", "lines"): (sum(dead), total), ("state", "dead_letter"): (sum(dead), total)}
        day |= {("dead_letter", f"reason {i}"): (int(part), total) for i, part in enumerate(reasons) if part}
        counts.append(
            day
            | {
                ("broken_by_client_version", f"client {i}"): (dead[i], int(part))
                for i, part in enumerate(own)
                if part >= 0.01 * total
            }
        )
    return counts


WORLDS = [(60, 0.01, 0.001), (500, 0.005, 0.003), (500, 0.03, 0.001), (20_000, 0.01, 0.005)]


def test_honest_traffic_is_blocked_on_fewer_than_one_day_in_a_thousand(gate: GateSession) -> None:
    random = np.random.default_rng(20240619)
    surprising: list[Comparison] = []
    judged = 0
    for lines, broken, correlation in WORLDS:
        days = simulated(random, 700, lines=lines, broken=broken, correlation=correlation)
        for n in range(5, len(days)):
            # As much history as a platform of five days has, and as one of months.
            before = days[max(0, n - (5, 10, 28)[n % 3]) : n]
            surprising += [c for c in compare(DAY, profile(days[n], before), DEFAULTS) if c.finding.surprise > 3]
            judged += 1
    assert judged > 2_700
    report = judge(gate, surprising)
    blocking = {o.expectation: o.unexpected_count or 0 for o in report.outcomes if o.blocks}
    assert sum(blocking.values()) < judged / 1_000, blocking


def test_a_client_that_breaks_a_tenth_of_the_lines_is_nearly_always_blocked(gate: GateSession) -> None:
    random = np.random.default_rng(20240620)
    for lines, broken, at_least in ((200, 0.005, 38), (500, 0.01, 39), (500, 0.03, 38), (20_000, 0.01, 40)):
        blocked = 0
        for _ in range(40):
            *before, today = simulated(random, 15, lines=lines, broken=broken, correlation=0.002)
            total = today["volume", "lines"][0]
            dead, own = today["broken_by_client_version", "client 1"]
            more = min(own - dead, total // 10)
            bad = {
                ("broken", "lines"): (today["broken", "lines"][0] + more, total),
                ("broken_by_client_version", "client 1"): (dead + more, own),
            }
            found = compare(DAY, profile({**today, **bad}, before), DEFAULTS)
            blocked += any(
                c.finding.surprise >= 5 and c.change_share >= 0.03 and c.kind in ("client", "broken") for c in found
            )
        assert blocked >= at_least, (lines, broken, blocked)
