"""Retention: what is let go when its time is over, and what is held (docs/decisions/0027, 0030)."""
