"""How often a recipe's rows are made anew: each day, or as of each Sunday."""

from datetime import date, timedelta

from orchestration.lib.recipe.errors import RecipeError

DAY, WEEK = "day", "week"
_DAYS = {DAY: 1, WEEK: 7}
# A day's run starts a quarter past midnight: half a day after that somebody should look.
_GRACE = timedelta(hours=12)


def parse_every(file: str, given: str) -> str:
    """The recipe's `every`. Raises RecipeError."""
    if given not in _DAYS:
        raise RecipeError(f"{file}: every is {given!r}; write one of {', '.join(_DAYS)}")
    return given


def snapshot_day(every: str, partition: date) -> date:
    """The day as of which a partition's rows are: its own, or the last Sunday up to it.

    A partition in between has what that Sunday has, in whatever order days are run.
    """
    return partition - timedelta(days=partition.isoweekday() % 7) if every == WEEK else partition


def overdue_after(every: str) -> timedelta:
    """How long after a dataset was made it should have been made again."""
    return timedelta(days=_DAYS[every]) + _GRACE
