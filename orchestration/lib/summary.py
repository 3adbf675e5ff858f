"""What the command line prints after a run: the accounts of each partition, and what is published."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from orchestration.contracts.reasons import STATES
from orchestration.lib.catalog import Catalog, datasets
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import has_table, read_warehouse

MOST_EMPTY_DAYS = 3


def summary(settings: Settings, first: date, last: date) -> str:
    return f"{accounts_table(settings, first, last)}\n\n{datasets_table(settings)}"


def accounts_table(settings: Settings, first: date, last: date) -> str:
    """Feedback lines received by state, per partition; days without a line are left out, and counted."""
    if not settings.warehouse.exists():
        return "nothing has been built yet"
    with read_warehouse(settings) as connection:
        if not has_table(connection, "marts", "daily_accounts"):
            return "nothing has been built yet"
        rows = connection.execute(
            f"select received_date, lines_received, {', '.join(STATES)} from marts.daily_accounts "
            "where received_date between ? and ? order by received_date",
            [first, last],
        ).fetchall()
    full = [row for row in rows if row[1]]
    total = ["all", *(sum(row[i] for row in full) for i in range(1, len(STATES) + 2))]
    accounts = table(["received", "lines", *(s.replace("_", " ") for s in STATES)], [*full, total])
    empty = len(rows) - len(full)
    return accounts + (f"\n({empty} days without a feedback line)" if empty else "")


def datasets_table(settings: Settings) -> str:
    rows: list[Sequence[Any]] = []
    for name in datasets(settings):
        catalog = Catalog(settings, name)
        latest = catalog.latest() or {}
        withdrawn = catalog.withdrawn()
        for version in sorted([*catalog.versions(), *withdrawn]):
            manifest = catalog.manifest(version)
            changes = manifest["changes"]
            is_latest = f"latest, as of {latest['as_of']}" if latest.get("version") == version else ""
            if version in withdrawn:
                is_latest = f"withdrawn ({withdrawn[version].get('erasure_id', withdrawn[version]['reason'])})"
            rows.append(
                [
                    name,
                    version,
                    sum(manifest["rows"].values()),
                    f"+{changes['added']:,}",
                    changes["changed"],
                    changes["removed"],
                    is_latest,
                ]
            )
    if not rows:
        return "no dataset has a version yet"
    return table(["dataset", "version", "rows", "added", "changed", "removed", ""], rows)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns of text for a terminal; numbers stand to the right."""
    cells = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    numbers = [isinstance(c, int) for c in next(iter(rows), header)]
    lines = [
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numbers, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
