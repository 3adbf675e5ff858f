"""Seeded landing files of realistic width, made in DuckDB: 1 to 2 KB of prompt, 0.5 KB of output."""

from datetime import date
from pathlib import Path

import duckdb

WORDS = 5_000
# fmt: off
SYLLABLES = (
    "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qui", "ro", "su", "ta", "ve", "wi", "xo",
    "yu", "zan", "ber", "con", "dal", "est", "for", "gen", "hin", "ing", "jor", "kel", "lum", "mor", "nes", "ost",
)
# fmt: on


def text_sql(seed: str, row: str, least: int, most: int) -> str:
    """SQL for a text of `least` to `most` words that depends on the row alone."""
    length = f"{least} + (hash({row}, '{seed}') % {most - least + 1})::int"
    return (
        f"array_to_string(list_transform(range({length}), "
        f"lambda k: words[1 + (hash({row}, k, '{seed}') % {WORDS})::int]), ' ')"
    )


def make_vocabulary(connection: duckdb.DuckDBPyConnection) -> None:
    """The table `vocabulary`, with the list `words` that `text_sql` draws from: pseudo-words, and a number among fifty.

    Words with digits in them look like ids and telephones, and masking would have to look at every line.
    """
    syllable = f"{list(SYLLABLES)}[1 + (hash(i, k) % {len(SYLLABLES)})::int]"
    word = f"list_transform(range(1 + (hash(i) % 4)::int), lambda k: {syllable})"
    connection.execute(
        f"""
        create table vocabulary as
        select list(
            case when i % 100 = 0 then (1900 + i // 100 * 2)::varchar when i % 100 = 50 then (i / 400)::varchar
            else array_to_string({word}, '') end order by i
        ) as words
        from range({WORDS}) r(i)
        """
    )


def landing_folders(data_dir: Path, day: date) -> dict[str, Path]:
    """Makes a day's landing folders; stream to folder."""
    folders = {s: data_dir / "landing" / s / f"dt={day}" for s in ("inferences", "feedback")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def write_landing(data_dir: Path, day: date, *, inferences: int, feedback: int) -> None:
    """Writes one day of both streams as JSONL."""
    folders = landing_folders(data_dir, day)
    step = max(1, inferences // feedback)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        make_vocabulary(connection)
        connection.execute(
            f"""
            copy (
                select
                    'req-{day}-' || md5('{day}' || i) as request_id,
                    strftime(timestamp '{day}' + to_seconds((i % 86400)::int), '%Y-%m-%dT%H:%M:%SZ') as timestamp,
                    'assistant' as model_name, 'v' || (1 + i % 3) as model_version,
                    'session-' || (i // 4) as session_id, i % 4 as turn, 'user-' || (i % 50000) as user_id,
                    {{'temperature': 0.2, 'top_p': 0.9}} as params,
                    {{'messages': [{{'role': 'user', 'content': {text_sql("prompt", "i", 160, 300)}}}]}} as input,
                    {{'text': {text_sql("output", "i", 60, 100)}, 'finish_reason': 'stop'}} as output,
                    {{'latency_ms': 100 + i % 900, 'region': 'eu-1'}} as system
                from range({inferences}) r(i), vocabulary
            ) to '{folders["inferences"]}/events.jsonl' (format json)
            """
        )
        connection.execute(
            f"""
            copy (
                select
                    'fb-' || i as feedback_id,
                    'req-{day}-' || md5('{day}' || (i * {step})) as request_id,
                    strftime(timestamp '{day}' + to_seconds((i * {step} % 86400)::int) + interval 30 seconds,
                        '%Y-%m-%dT%H:%M:%SZ') as timestamp,
                    case when i % 3 = 0 then 'up' when i % 3 = 1 then 'down' end as thumbs,
                    case when i % 3 = 2 then {text_sql("correction", "i", 60, 100)} end as corrected_output,
                    'user' as source
                from range({feedback}) r(i), vocabulary
                where i * {step} < {inferences}
            ) to '{folders["feedback"]}/events.jsonl' (format json)
            """
        )
