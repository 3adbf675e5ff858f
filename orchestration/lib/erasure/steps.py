"""The steps of an erasure by name, in the order in which they are done. A test ends the process at one of them."""

from collections.abc import Callable

STEPS = (
    "planned",
    "withdrawn",
    "landing rewritten",
    "ledger rewritten",
    "applied",
    "leftovers removed",
    "warehouse written anew",
    "verified",
    "reported",
    "erasure scrubbed",
    "plan removed",
)


def reached(step: str, erasure_id: str, tell: Callable[[str], None]) -> None:
    """Tells that a step is done; it may be done again after a kill."""
    assert step in STEPS
    tell(f"erasure {erasure_id}: {step}")
