"""Held-out scores from texts: naive Bayes over the words that a row has, counted and added up in SQL.

Why not a model of scikit-learn: docs/decisions/0021. Counts are whole numbers and weights are rounded to millionths, so
that sums are exact: neither the order of rows nor the number of threads can change a bit of them.
"""

from collections.abc import Mapping

import duckdb
import numpy as np
import numpy.typing as npt

from orchestration.formats.column_types import element_of, fields_of, parse
from orchestration.lib.field_sql import quote
from orchestration.lib.label_noise.judged_rows import JUDGED, Judged
from orchestration.lib.recipe.label_noise import LabelNoise

# Of each column; more of a text says little more of its class. Of a conversation it is the end.
_CHARACTERS = 8_000
# What is written without spaces is read character by character.
_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}_]+"
# Weights are whole multiples of this part of 1.
_PARTS = 1_000_000


def held_out_scores(
    connection: duckdb.DuckDBPyConnection, noise: LabelNoise, judged: Judged, *, rows: str, types: Mapping[str, str]
) -> npt.NDArray[np.float64]:
    """The log likelihood of each judged row's words in each class, as the other folds have it: (rows, classes)."""
    words = " || ".join(_words(connection, column, types[column]) for column in noise.given)
    # Hashes only tell words apart, and none is kept.
    connection.execute(
        f"""
        create or replace temp table label_noise_words as
        select judged.n, unnest({words}) as word
        from {JUDGED} as judged join {rows} as source on judged.row_id = source.rowid
        """
    )
    connection.execute(
        f"""
        create or replace temp table label_noise_counts as
        select word, class, fold, count(*) as rows from label_noise_words join {JUDGED} using (n) group by all
        """
    )
    scores = np.zeros((judged.rows, len(judged.classes)), np.int64)
    for fold in range(noise.folds):
        found = connection.execute(_scores_of_fold(fold)).fetchnumpy()
        scores[found["n"], found["class"]] = found["score"]
    for table in ("words", "counts"):
        connection.execute(f"drop table label_noise_{table}")
    return scores / _PARTS


def _words(connection: duckdb.DuckDBPyConnection, column: str, kind: str) -> str:
    """SQL for the list of a column's different words, each as a number."""
    element = element_of(parse(connection, kind))
    if element and "content" in fields_of(element):
        text = f"right(array_to_string(list_transform(source.{column}, lambda m: m.content), ' '), {_CHARACTERS})"
    elif kind == "VARCHAR":
        text = f"left(source.{column}, {_CHARACTERS})"
    else:
        text = f"left(to_json(source.{column})::varchar, {_CHARACTERS})"
    found = f"regexp_extract_all(lower(coalesce({text}, '')), {quote(_WORD)})"
    return f"list_distinct(list_transform({found}, lambda word: hash({quote(column)}, word)))"


def _scores_of_fold(fold: int) -> str:
    """A row's score in a class: of each of its words that the other folds have, the log of how often the class has it
    there, plus one, as a share of all words there. A word that only its own fold has says nothing.
    """
    return f"""
    with elsewhere as (
        select word, class, sum(rows)::bigint as rows from label_noise_counts where fold <> {fold} group by word, class
    ),
    totals as (
        select
            class,
            round(ln(sum(rows) + (select count(distinct word) from elsewhere)) * {_PARTS})::bigint as log_of_all
        from elsewhere
        group by class
    ),
    held_out as (
        select words.n, words.word
        from label_noise_words as words
        semi join elsewhere on words.word = elsewhere.word
        semi join (from {JUDGED} where fold = {fold}) as judged on words.n = judged.n
    ),
    lengths as (select n, count(*) as words from held_out group by n),
    seen as (
        select n, class, sum(round(ln(rows + 1) * {_PARTS})::bigint)::bigint as weight
        from held_out join elsewhere using (word)
        group by n, class
    )
    select n, class, coalesce(seen.weight, 0) - lengths.words * totals.log_of_all as score
    from lengths cross join totals left join seen using (n, class)
    """
