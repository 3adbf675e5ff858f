"""Which partitions a run builds: a pure function, so every case is stated."""

from datetime import date

from orchestration.lib.build_window import BuildWindow, build_window

D = {n: date(2024, 6, n) for n in range(1, 11)}


def versions(**days: str) -> dict[date, tuple[str, ...]]:
    return {D[int(name[1:])]: (version, version) for name, version in days.items()}


def window(first: int, last: int, *, ledger: dict, built: dict) -> BuildWindow:  # type: ignore[type-arg]
    return build_window(first=D[first], last=D[last], ledger=ledger, built=built, waiting_days=2)


def test_a_first_run_builds_what_was_asked() -> None:
    w = window(2, 3, ledger=versions(d2="a", d3="a"), built={})
    assert (w.window_from, w.window_to, w.as_of) == (D[2], D[3], D[3])


def test_an_unchanged_day_takes_no_other_with_it() -> None:
    days = versions(d1="a", d2="a", d3="a")
    w = window(2, 2, ledger=days, built=days)
    assert (w.window_from, w.window_to, w.as_of) == (D[2], D[2], D[3])


def test_a_changed_day_takes_the_later_built_days_with_it() -> None:
    w = window(2, 2, ledger=versions(d1="a", d2="b", d3="a"), built=versions(d1="a", d2="a", d3="a"))
    assert (w.window_from, w.window_to, w.as_of) == (D[2], D[3], D[3])


def test_a_day_that_an_earlier_run_left_unbuilt_is_caught_up() -> None:
    w = window(3, 3, ledger=versions(d1="a", d2="a", d3="a"), built=versions(d1="a"))
    assert (w.window_from, w.window_to) == (D[2], D[3])


def test_a_day_before_all_built_ones_takes_them_with_it() -> None:
    w = window(1, 1, ledger=versions(d1="a", d3="a"), built=versions(d3="a"))
    assert (w.window_from, w.window_to, w.as_of) == (D[1], D[3], D[3])


def test_loaded_later_days_that_were_never_built_are_left_alone() -> None:
    w = window(1, 1, ledger=versions(d1="a", d5="a"), built={})
    assert (w.window_from, w.window_to, w.as_of) == (D[1], D[1], D[1])


def test_states_are_told_anew_from_where_lines_could_still_be_waiting() -> None:
    w = window(9, 9, ledger=versions(d4="a", d9="a"), built=versions(d4="a"))
    assert w.status_from == D[1]  # the newest built day, less the window of two days and one


def test_states_are_told_anew_of_all_feedback_that_was_reviewed_in_the_window() -> None:
    days = versions(d1="a", d8="a", d9="a")
    asked: list[tuple[date, date]] = []

    def reviewed(first: date, last: date) -> date:
        asked.append((first, last))
        return D[1]

    w = build_window(first=D[9], last=D[9], ledger=days, built=days, waiting_days=2, reviewed=reviewed)
    assert asked == [(D[9], D[9])]
    assert w.status_from == D[1]
