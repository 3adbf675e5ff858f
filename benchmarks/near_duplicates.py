"""What finding near-duplicates costs beside a bare COPY of the same rows to Parquet: CPU seconds, and peak memory.

Rows of 250 words, 1.5 KB, drawn so that few words are common and most are rare; a fifth of them are earlier rows with
up to 6 words changed.
"""

import argparse
import json
import resource
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from orchestration.lib.recipe.near_duplicates import DEFAULT_SHINGLE, DEFAULT_SIMILARITY
from orchestration.lib.row_texts import add_texts, text_of
from orchestration.lib.similarity.near import NONE, earlier_near
from orchestration.lib.similarity.shingles import Texts
from orchestration.lib.snapshot import PARQUET

RESULT = Path(__file__).parent / "results" / "near_duplicates.json"
WORDS, VOCABULARY, MOST_CHANGED = 250, 30_000, 6


def number(*parts: str) -> str:
    """SQL for a number that looks drawn at random, the same on any machine."""
    return f"md5_number_lower(concat_ws('/', {', '.join(parts)}))"


def make_rows(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """The table `written`: id and text."""
    common = f"floor(pow({VOCABULARY}, ({number('source', 'k')} % 1000003) / 1000003.0))::bigint - 1"
    connection.execute(
        f"""
        create table words as
        select i as word, left(md5(i::varchar), 2 + (i % 7)::int) as text from range({VOCABULARY}) numbers(i);

        create table written as
        with rows as (
            select i, case when i % 5 = 0 and i > 100 then {number("i")} % i else i end as source
            from range({rows}) numbers(i)
        ),
        drawn as (
            select
                i, k,
                case
                    when source <> i and {number("i", "k", "1")} % {WORDS} < {number("i", "2")} % {MOST_CHANGED + 1}
                        then {number("i", "k", "3")} % {VOCABULARY}
                    else {common}
                end as word
            from rows, range({WORDS}) places(k)
        )
        select i as id, string_agg(words.text, ' ' order by k) as text
        from drawn join words on drawn.word = words.word group by i order by i;
        """
    )


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(rows: int, shingle: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, duckdb.connect(str(Path(name) / "rows.duckdb")) as connection:
        connection.execute("set enable_progress_bar = false")
        make_rows(connection, rows)
        begun = cpu_seconds()
        connection.execute(f"copy written to '{name}/written.parquet' ({PARQUET})")
        copied = cpu_seconds()
        texts = Texts(DEFAULT_SIMILARITY, shingle, Path(name))
        add_texts(connection, texts, f"select {text_of(['text'], ['VARCHAR'], ['text'])} from written")
        added = cpu_seconds()
        found = earlier_near(texts, np.arange(rows))
        return {
            "rows": rows,
            "shingle": shingle,
            "left_out": int((found != NONE).sum()),
            "copy_cpu_seconds": round(copied - begun, 2),
            "words_and_minhash_cpu_seconds": round(added - copied, 2),
            "candidates_and_jaccard_cpu_seconds": round(cpu_seconds() - added, 2),
            "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--shingle", type=int, default=DEFAULT_SHINGLE)
    given = parser.parse_args()
    measured = measure(given.rows, given.shingle)
    print(json.dumps(measured, indent=2))
    if (given.rows, given.shingle) == (100_000, DEFAULT_SHINGLE):
        RESULT.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
