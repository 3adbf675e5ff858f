"""The Open Bandit log as landing files: real impressions and clicks of a fashion recommender.

Source: the small version of the Open Bandit Dataset (Saito et al., arXiv:2008.07146), campaign "men", as it
is shipped inside the PyPI package `obp`: 10,000 impressions of each of two policies, Thompson sampling
(`bts`) and uniform choice (`random`). An impression is an inference with a logged propensity; a click is
an implicit signal about it.

What the log does not know, and how it is filled:
- when a click happened: the log has only the impression's time, so a click is dated 2 to 10 seconds later;
- who the user was: the four hashed features make about 235 groups, not users, so there is no `user_id`;
- when it was received: the UTC day of the event's own time.

`obp` is never imported, because importing it loads PyTorch; its csv files are read as package data.
"""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from demo.files import landing_file
from demo.week import DAYS

POLICIES = ("bts", "random")
ITEMS = 34
# One policy as a data platform would hand it over, the other as a log shipper would.
COPY_OPTIONS = {"bts": "format parquet, compression zstd", "random": "format json, compression zstd"}
SUFFIXES = {"bts": "parquet", "random": "jsonl.zst"}
RFC_3339 = "%Y-%m-%dT%H:%M:%S.%fZ"


class OpenBanditMissing(Exception):
    """The package that holds the Open Bandit log is not there; the message names the cure."""


def log_folder(policy: str) -> Path:
    """The folder of a policy's csv files inside the installed package `obp`."""
    spec = find_spec("obp")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "dataset" / "obd" / policy / "men"
        if (folder / "men.csv").is_file() and (folder / "item_context.csv").is_file():
            return folder
    raise OpenBanditMissing(
        "the Open Bandit log was not found in a Python package named obp; run `make demo`, which installs it "
        "from requirements-demo.lock, or `pip install --no-deps obp==0.4.1`"
    )


def write_open_bandit(data_dir: Path) -> dict[str, int]:
    """Writes one inference file and one feedback file a policy and day; returns the counts of lines."""
    folders = {policy: log_folder(policy) for policy in POLICIES}
    counts = {"inferences": 0, "feedback": 0}
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set threads = 1")  # several threads write row groups in another order each time
        for policy, folder in folders.items():
            connection.execute(_impressions_sql(policy=policy, folder=folder))
            for stream, view_sql in (("inferences", _inferences_sql), ("feedback", _feedback_sql)):
                connection.execute(view_sql(time_as_text=SUFFIXES[policy] == "jsonl.zst"))
                counts[stream] += _write_days(connection, data_dir, stream=stream, policy=policy)
    return counts


def _write_days(connection: duckdb.DuckDBPyConnection, data_dir: Path, *, stream: str, policy: str) -> int:
    """Writes the view `events` to one file a day; returns the number of its rows."""
    rows = 0
    for day in DAYS:
        name = f"open-bandit-{policy}.{SUFFIXES[policy]}"
        with landing_file(data_dir, stream=stream, day=day, name=name) as path:
            events = f"from events select * exclude (event_day) where event_day = date '{day}' order by request_id"
            rows += _count(connection, f"copy ({events}) to '{_quoted(path)}' ({COPY_OPTIONS[policy]})")
    total = _count(connection, "select count(*) from events")
    if rows != total:
        raise ValueError(f"{policy} {stream}: {total - rows} of {total} events are outside {DAYS[0]} .. {DAYS[-1]}")
    return rows


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _impressions_sql(*, policy: str, folder: Path) -> str:
    """One policy's log as a table, with the features of the item that was shown.

    Of the 34 affinities (past clicks of the user's group on each item) 95 rows in 100 have none but zeros:
    only the others are kept, by item.
    """
    affinities = ", ".join(f"""{{'key': '{i}', 'value': "user-item_affinity_{i}"}}""" for i in range(ITEMS))
    return f"""
    create or replace temp table impressions as
    with log as (
        from read_csv(
            '{_quoted(folder / "men.csv")}',
            names = ['log_index', 'shown_at', 'item_id', 'position', 'click', 'propensity_score'],
            types = {{'shown_at': 'TIMESTAMPTZ'}}
        )
    ),
    items as (
        from read_csv('{_quoted(folder / "item_context.csv")}', names = ['item_index', 'item_id'])
    )
    select
        '{policy}' as policy,
        format('{policy}-{{:05d}}', log_index) as request_id,
        log_index,
        shown_at,
        item_id::varchar as item,
        position,
        click = 1 as clicked,
        propensity_score,
        user_feature_0, user_feature_1, user_feature_2, user_feature_3,
        item_feature_0, item_feature_1, item_feature_2, item_feature_3,
        map_from_entries(list_filter([{affinities}], lambda a: a.value <> 0)) as affinities
    from log
    join items using (item_id)
    """


def _inferences_sql(*, time_as_text: bool) -> str:
    # The features of the shown item describe the choice, so they are output: in the input they would tell
    # a model that learns from it what was chosen.
    return f"""
    create or replace temp view events as
    select
        shown_at::date as event_day,
        request_id,
        {_time("shown_at", as_text=time_as_text)} as timestamp,
        'open-bandit-men' as model_name,
        policy as model_version,
        policy as variant,
        '/recommendations/men' as endpoint,
        {{'features': {{
            'position': position,
            'user_feature_0': user_feature_0,
            'user_feature_1': user_feature_1,
            'user_feature_2': user_feature_2,
            'user_feature_3': user_feature_3,
            'user_item_affinity': affinities
        }}}} as input,
        {{'label': item, 'item_features': {{
            'item_feature_0': item_feature_0,
            'item_feature_1': item_feature_1,
            'item_feature_2': item_feature_2,
            'item_feature_3': item_feature_3
        }}}} as output,
        true as exposed,
        propensity_score as propensity
    from impressions
    """


def _feedback_sql(*, time_as_text: bool) -> str:
    return f"""
    create or replace temp view events as
    with clicks as (
        select *, shown_at + to_seconds(2 + log_index % 9) as clicked_at from impressions where clicked
    )
    select
        clicked_at::date as event_day,
        'click-' || request_id as feedback_id,
        request_id,
        {_time("clicked_at", as_text=time_as_text)} as timestamp,
        'implicit_signal' as feedback_type,
        'click' as signal,
        1 as value,
        'user' as source
    from clicks
    """


def _time(column: str, *, as_text: bool) -> str:
    """Parquet has a type for times; JSON has none, and DuckDB's own text form is not quite RFC 3339."""
    return f"strftime({column}, '{RFC_3339}')" if as_text else column
