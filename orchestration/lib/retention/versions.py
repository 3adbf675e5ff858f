"""Dataset versions that have had their time: their content goes, their manifest stays and says why.

A version's age counts from the last partition that has it: one that is current still is none to go, however long ago
it was made. No successor takes its place; later versions are made without the texts that the ledger has no more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from orchestration.lib.catalog import Catalog, datasets
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.search import Search
from orchestration.lib.erasure.withdrawal import withdraw
from orchestration.lib.retention.policy import RetentionPolicy
from orchestration.lib.settings import Settings
from orchestration.lib.snapshot import partition_of

REASON = "retention"


@dataclass
class ExpiredVersions:
    """How many versions went, and how many are over their time and held."""

    versions: int = 0
    held: int = 0


def expire_versions(
    settings: Settings, policy: RetentionPolicy, held_users: Names, today: date, *, tell: Callable[[str], None]
) -> ExpiredVersions:
    """Withdraws the versions that are over their time. Whoever calls holds the warehouse's lock."""
    told = ExpiredVersions()
    if policy.datasets is None:
        return told
    oldest = today - timedelta(days=policy.datasets)
    search = Search(settings, held_users)
    for name in datasets(settings):
        catalog = Catalog(settings, name)
        over = [version for version, last in _last_days(catalog).items() if last < oldest]
        held = [version for version in over if _is_held(policy, search, catalog, version)]
        going = [version for version in over if version not in held]
        told.held += len(held)
        told.versions += len(going)
        # What a killed run left half done is among those that are withdrawn already.
        before = [version for version, one in catalog.withdrawn().items() if one["reason"] == REASON]
        withdraw(settings, {name: [*going, *before]}, {"reason": REASON}, are_replaced=False)
    tell(f"{told.versions:,} dataset versions from before {oldest} are withdrawn, {told.held:,} are held")
    return told


def _last_days(catalog: Catalog) -> dict[str, date]:
    """The last partition that has each version; of one that was replaced, its own."""
    last = {version: partition_of(version) for version in catalog.versions()}
    for day, record in sorted(catalog.partitions().items()):
        if record.version in last:
            last[record.version] = max(day, last[record.version])
    return last


def _is_held(policy: RetentionPolicy, search: Search, catalog: Catalog, version: str) -> bool:
    """Whether its day or what it rests on is held, or any of its files names a user who is."""
    if policy.hold.streams or partition_of(version) in policy.hold.days:
        return True
    folder = Path(catalog.store.full(f"{catalog.dataset}/{version}"))
    return any(search.is_in(path) for path in sorted(folder.rglob("*")) if path.is_file())
