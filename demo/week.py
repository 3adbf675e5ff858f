"""The days that the demo covers: those of the Open Bandit log, so that both sources share partitions."""

from datetime import date, timedelta

FIRST_DAY = date(2019, 11, 24)
LAST_DAY = date(2019, 11, 30)
DAYS: tuple[date, ...] = tuple(FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1))
