"""Why two versions of a dataset differ: each row that is in one only, or is another in it, with its cause."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.lib.catalog import Catalog
from orchestration.lib.delta import ADDED, CHANGED, REMOVED, changes_query, hashed
from orchestration.lib.recipe import row_key
from orchestration.lib.settings import Settings
from orchestration.lib.summary import table
from orchestration.lib.warehouse import read_warehouse

# Of the recipe, what decides on rows and their content; its words do not.
_DECIDES = ("source", "where", "include_unreviewed", "columns", "values", "parameters", "most_per", "key")


@dataclass(frozen=True)
class Difference:
    """A row that is not the same in both versions."""

    change: str
    cause: str
    feedback_id: str | None
    request_id: str | None


def differences(settings: Settings, name: str, before: str, after: str) -> list[Difference]:
    """Every row that is not alike, by change, cause and key. Raises StateError for what is not published.

    Causes: `new_feedback`, `silence` (its time was over), `review`, what ended it (`superseded`, `retracted`,
    `rejected`, `contested`), `recipe`, `schema`, and `later_events`: other feedback on the same answer, a turn that
    was logged late.
    """
    catalog = Catalog(settings, name)
    old, new = catalog.published(before), catalog.published(after)
    key = row_key(new["recipe"]["source"], new["recipe"].get("key", ()))
    with read_warehouse(settings) as connection:
        queries = [catalog.rows_query(version) for version in (before, after)]
        hashes = [hashed(connection, query, key) for query in queries]
        changes = changes_query(before=hashes[0], after=hashes[1], key=key)
        keys = ", ".join(key)
        rows = connection.execute(
            f"""
            with changes as ({changes}),
            rows as (
                select changes.change, old.* from changes join ({queries[0]}) as old using ({keys})
                where changes.change = '{REMOVED}'
                union all by name
                select changes.change, new.* from changes join ({queries[1]}) as new using ({keys})
            )
            select rows.change, {_cause(old, new)} as cause, rows.feedback_id, rows.request_id
            from rows
            left join marts.feedback_ended_as_of(date '{max(old["partition"], new["partition"])}') as ended
                on rows.feedback_id = ended.feedback_id
            left join (
                select feedback_id, max(received_date) as decided_date
                from intermediate.int_review_decisions
                where received_date between date '{old["partition"]}' + 1 and date '{new["partition"]}'
                group by feedback_id
            ) as reviews on rows.feedback_id = reviews.feedback_id
            order by all
            """
        ).fetchall()
    return [Difference(*row) for row in rows]


def _cause(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """SQL for why a row is not alike. What happened to the feedback goes before what happened to the recipe."""
    is_another_recipe = any(old["recipe"].get(name) != new["recipe"].get(name) for name in _DECIDES)
    otherwise = "later_events"
    if is_another_recipe:
        otherwise = "recipe"
    elif old.get("schema_version") != new.get("schema_version"):
        otherwise = "schema"
    return f"""
    case
        when rows.change = '{REMOVED}' and ended.cause is not null then ended.cause
        when rows.change = '{ADDED}' and reviews.decided_date is not null then 'review'
        when rows.change <> '{REMOVED}' and rows.attributed_date > date '{old["partition"]}'
            then case when rows.feedback_id is null then 'silence' else 'new_feedback' end
        else '{otherwise}'
    end
    """


def differences_text(found: Sequence[Difference], *, rows: int) -> str:
    """Counts by cause, and as many rows as asked for."""
    if not found:
        return "no row differs"
    counts: dict[str, dict[str, int]] = {}
    for one in found:
        of_cause = counts.setdefault(one.cause, {ADDED: 0, CHANGED: 0, REMOVED: 0})
        of_cause[one.change] += 1
    text = table(["cause", ADDED, CHANGED, REMOVED], [[cause, *n.values()] for cause, n in sorted(counts.items())])
    if rows:
        shown = [[one.change, one.cause, one.feedback_id or "", one.request_id or ""] for one in found[:rows]]
        text += "\n\n" + table(["change", "cause", "feedback", "request"], shown)
        if len(found) > rows:
            text += f"\n({len(found) - rows:,} more)"
    return text
