"""Why two versions of a dataset differ: each row that is in one only, or is another in it, with its cause."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.catalog import Catalog
from orchestration.lib.delta import ADDED, CHANGED, REMOVED, changes_query, hashed
from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import SOURCES, row_key
from orchestration.lib.recipe.label_noise import ISSUE, QUALITY
from orchestration.lib.rests_on import WITH_CONVERSATION, ids_of_row, key_text
from orchestration.lib.retention.ledger_texts import LOADED
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.snapshot import SPLIT, column_types
from orchestration.lib.summary import table
from orchestration.lib.warehouse import read_warehouse

# Of the recipe, what decides on rows and their content; its words do not.
_DECIDES = (
    *("source", "where", "include_unreviewed", "columns", "values", "parameters", "key", "split", "every"),
    *("window_days", "sample", "most_per", "most", "weights"),
    *("near_duplicates", "held_out"),
)
_LEDGER_DAY = "received_date="


@dataclass(frozen=True)
class Difference:
    """A row that is not the same in both versions."""

    change: str
    cause: str
    feedback_id: str | None
    request_id: str | None


def differences(settings: Settings, name: str, before: str, after: str) -> list[Difference]:
    """Every row that is not alike, by change, cause and key. Raises StateError for what is not published.

    What happened to the events goes before how rows are made: `supersession`, `retraction`, `review` (accepted or
    rejected), `flag` (by a rule, after the attribution), `new_feedback`, `silence` (its time was over),
    `retention` (its texts had their time), `late_turn` (logged after the answer), and then `recipe`, `schema`,
    `settings`; `window` (its time in it was over), `sampling` (another row took its place, or made room);
    `later_events` is what none of these explains. Of rows that wait for feedback: `new_inference`, `labelled`, and
    `made_room` for others. `label_noise` is nothing but how far a label is trusted, which follows from all rows.
    """
    catalog = Catalog(settings, name)
    old, new = catalog.published(before), catalog.published(after)
    if old["partition"] > new["partition"]:
        raise StateError(f"{before} is of a later partition than {after}; name the earlier version first")
    key = row_key(new["recipe"]["source"], new["recipe"].get("key", ()))
    if key != row_key(old["recipe"]["source"], old["recipe"].get("key", ())):
        raise StateError(
            f"the rows of {before} and {after} are told apart by other columns: no row is the same in both"
        )
    with read_warehouse(settings) as connection:
        for table_name, version in (("old", before), ("new", after)):
            connection.execute(f"create temp view {table_name} as {catalog.rows_query(version, split_as=SPLIT)}")
        _note_changes(connection, key, aside=_columns_of_later_schemas(old, new))
        connection.execute(f"create temp table events as {_events(old, new)}")
        rows = connection.execute(_with_causes(old, new)).fetchall()
    return [Difference(*row) for row in rows]


def _note_changes(connection: duckdb.DuckDBPyConnection, key: Sequence[str], aside: Sequence[str]) -> None:
    """The rows that differ, with the feedback and the requests that they name in either version.

    A row that is alike but for the columns `aside` is one of the schema's, one that is but for those of label noise is
    of that.
    """
    in_either = column_types(connection, "from old").keys() | column_types(connection, "from new").keys()

    def compared(columns: Collection[str]) -> str:
        before, after = (hashed(connection, f"from {side}", key, aside=columns) for side in ("old", "new"))
        return changes_query(before=before, after=after, key=key)

    changes = compared(())
    # A comparison reads all texts of both versions: where neither has the columns, it would find the same again.
    otherwise = {
        name: compared(columns) if in_either.intersection(columns) else "from changes"
        for name, columns in (("schema", aside), ("noise", (QUALITY, ISSUE)))
    }
    beside = [
        f"left join (select {key_text(key)} as key from ({query})) as {name} using (key)"
        for name, query in otherwise.items()
    ]
    sides = []
    for side, unless in (("old", ADDED), ("new", REMOVED)):
        columns = column_types(connection, f"from {side}")
        feedback, requests = ids_of_row(columns)
        sides.append(
            f"select {key_text(key)} as key, '{side}' as side, feedback_id, request_id, attributed_date, "
            f"{feedback} as feedback_ids, {requests} as request_ids "
            f"from {side} semi join (select * from changes where change <> '{unless}') using ({', '.join(key)})"
        )
    connection.execute(
        f"""
        create temp table changed_rows as
        with changes as ({changes}),
        sides as ({" union all ".join(sides)}),
        named as (
            select key,
                arg_max(feedback_id, side = 'new') as feedback_id, arg_max(request_id, side = 'new') as request_id,
                arg_max(attributed_date, side = 'new') as attributed_date,
                flatten(list(feedback_ids)) as feedback_ids, flatten(list(request_ids)) as request_ids
            from sides group by key
        )
        select changes.change, named.*,
            {", ".join(f"{name}.key is null as is_of_{name}" for name in otherwise)}
        from (select *, {key_text(key)} as key from changes) as changes
        inner join named using (key)
        {" ".join(beside)}
        """
    )


def _columns_of_later_schemas(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The columns that came with schema versions after the older version's."""
    then = old.get("schema_version", {})
    return sorted(
        {f.ledger_column for stream in STREAMS for f in stream.fields if f.since > then.get(stream.event, f.since)}
        & {*_column_names(new), *_column_names(old)}
    )


def _column_names(manifest: Mapping[str, Any]) -> list[str]:
    return list(manifest["recipe"]["columns"])


def _is_new(old: Mapping[str, Any], new: Mapping[str, Any], day: str) -> str:
    """SQL for whether the older version can not have known what came on a day: a later one, or a file landed since."""
    then, now = (
        {
            file["path"]: (file.get("schema_version"), file.get(LOADED, file.get("ledger_version")))
            for file in manifest["ledger_files"]
        }
        for manifest in (old, new)
    )
    # Of a file that another schema reads it is not known whether it has other lines, too.
    loaded = {
        path.split(_LEDGER_DAY)[1][:10]
        for path, (schema, version) in now.items()
        if path not in then or (then[path][0] == schema and then[path][1] != version)
    }
    days = "".join(f" or {day} = date '{one}'" for one in sorted(loaded) if one <= old["partition"])
    return f"({day} > date '{old['partition']}'{days})"


def _events(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """SQL for what happened between the two versions: the feedback, its request, the cause, and which goes first."""
    as_of = f"date '{new['partition']}'"
    return f"""
    with matches as (
        select feedback_id, min(request_id) as request_id from intermediate.int_feedback_matches group by feedback_id
    ),
    ended as (
        select feedback_id,
            case cause
                when 'superseded' then 'supersession' when 'retracted' then 'retraction' when 'contested' then 'flag'
                else 'review'
            end as cause,
            1 as place
        from marts.feedback_ended_as_of({as_of})
        where {_is_new(old, new, "effective_date")}
    ),
    reviewed as (
        select distinct feedback_id, 'review' as cause, 2 as place
        from intermediate.int_review_decisions
        where received_date <= {as_of} and {_is_new(old, new, "received_date")}
    ),
    given as (
        select feedback_id, 'new_feedback' as cause, 3 as place
        from intermediate.int_feedback_attributions
        where attributed_date <= {as_of} and {_is_new(old, new, "attributed_date")} and feedback_type <> 'retraction'
    )
    select happened.*, matches.request_id
    from (from ended union all from reviewed union all from given) as happened
    left join matches using (feedback_id)
    """


def _with_causes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """SQL for the changed rows with their causes. What happened to a row's own feedback goes before what happened to
    other feedback on its answers, and what ended feedback before what came: but a row that is added came by something.
    """
    source = new["recipe"]["source"]
    turns = "select null as key where false"
    if source in WITH_CONVERSATION:
        turns = f"""
        select distinct rows.key
        from marts.feedback_conversation_as_of(date '{new["partition"]}') as turns
        inner join changed_rows as rows on turns.feedback_id = rows.feedback_id
        where not turns.is_answer and {_is_new(old, new, "turns.known_date")}
        """
    of_answers = "select key, change, unnest(request_ids), null, 1 from changed_rows"
    is_queue = SOURCES[source].asks_for_feedback
    return f"""
    with touched as (
        select key, change, null::varchar as request_id, unnest(feedback_ids) as feedback_id, 0 as distance
        from changed_rows
        {f"union all {of_answers}" if SOURCES[source].is_function else ""}
    ),
    -- Two joins and not one with `or`: that would compare every row with every event.
    of_rows as (
        select touched.key, touched.change, touched.distance, events.cause, events.place
        from touched inner join events using (feedback_id)
        union all
        select touched.key, touched.change, touched.distance, events.cause, events.place
        from touched inner join events using (request_id)
    ),
    causes as (
        select key,
            arg_min(cause, (distance, case when change = '{ADDED}' and place = 1 then 4 else place end)) as cause
        from of_rows group by key
    ),
    late as ({turns}),
    expired as ({_expired(new)})
    select rows.change,
        case
            when rows.is_of_noise then 'label_noise'
            {_left_the_queue(old, new) if is_queue else ""}
            when causes.cause is not null then causes.cause
            when rows.change <> '{REMOVED}' and {_is_new(old, new, "rows.attributed_date")} then case
                when rows.feedback_id is null then '{"new_inference" if is_queue else "silence"}' else 'new_feedback'
            end
            when rows.change <> '{ADDED}' and expired.key is not null then 'retention'
            when late.key is not null then 'late_turn'
            when rows.is_of_schema then 'schema'
            else {_otherwise(old, new)}
        end as cause,
        rows.feedback_id, rows.request_id
    from changed_rows as rows
    left join causes using (key)
    left join late using (key)
    left join expired using (key)
    order by all
    """


def _expired(new: Mapping[str, Any]) -> str:
    """SQL for the keys of changed rows that rest on a text whose lifetime is over."""
    of_pairs = """
        select rows.key from (select key, unnest(feedback_ids) as feedback_id from changed_rows) as rows
        inner join marts.attributed_feedback as pairs using (feedback_id) where pairs.is_text_expired
        union
        select rows.key from (select key, unnest(request_ids) as request_id from changed_rows) as rows
        inner join marts.logged_choices as choices using (request_id) where choices.is_text_expired
    """
    if new["recipe"]["source"] not in WITH_CONVERSATION:
        return of_pairs
    return f"""{of_pairs}
        union
        select rows.key from marts.feedback_conversation_as_of(date '{new["partition"]}') as turns
        inner join changed_rows as rows on turns.feedback_id = rows.feedback_id
        where turns.is_text_expired
    """


def _left_the_queue(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """SQL for why a row that waited for feedback is gone: it got it, or others are more in need of it."""
    judged = (
        f"select request_id from marts.output_verdicts_as_of(date '{new['partition']}') "
        "where is_judged_by_people and rater_disagreement is null"
    )
    made = _making(old, new)
    return f"""
            when rows.change = '{REMOVED}' and rows.request_id in ({judged}) then 'labelled'
            when rows.change = '{REMOVED}' then {quote("made_room" if made == "later_events" else made)}
    """


def _otherwise(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """SQL for the cause where nothing happened to the row's events: how versions are made, or which rows are drawn."""
    made, recipe = _making(old, new), new["recipe"]
    if made != "later_events":
        return quote(made)
    window, cases = recipe.get("window_days"), ""
    if window and "rehearsal" not in recipe.get("sample", {}):
        is_past = f"rows.attributed_date <= date '{new['partition']}' - {window}"
        cases += f" when rows.change = '{REMOVED}' and {is_past} then 'window'"
    if any(recipe.get(field) for field in ("sample", "most_per", "most")):
        cases += f" when rows.change <> '{CHANGED}' then 'sampling'"
    return f"case{cases} else 'later_events' end" if cases else quote(made)


def _making(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What is another in how the versions were made."""
    later = _columns_of_later_schemas(old, new)

    def decides(manifest: Mapping[str, Any], field: str) -> Any:
        value = manifest["recipe"].get(field)
        return sorted(set(value) - set(later)) if field == "columns" else value

    if any(decides(old, field) != decides(new, field) for field in _DECIDES):
        return "recipe"
    if old.get("schema_version") != new.get("schema_version"):
        return "schema"
    return "settings" if old.get("settings") != new.get("settings") else "later_events"


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
