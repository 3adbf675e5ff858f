"""Words and numbers of the contract that more than one suite holds data against.

Written out, not imported from what they check: a suite that took its list from the code that wrote the
data would agree with any mistake in it. A test compares them with `orchestration.contracts`.
"""

FEEDBACK_TYPES: tuple[str, ...] = (
    "rating",
    "thumbs",
    "explicit_correction",
    "preference",
    "label",
    "comment",
    "implicit_signal",
    "retraction",
)

REWARD_RANGE: tuple[float, float] = (-1.0, 1.0)

# Clocks differ: feedback may be dated up to 5 minutes before its inference (contract section 3).
EARLIEST_LAG_SECONDS = -300
