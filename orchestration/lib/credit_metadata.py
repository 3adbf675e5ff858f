"""What the UI shows of credit: which parts earned what on a day, and retriever and generator judged apart."""

from collections.abc import Iterable, Sequence
from datetime import date

import dagster as dg
import duckdb

Metadata = dict[str, dict[date, dict[str, dg.MetadataValue]]]

# The parts with most credit or blame; the others would hide them.
_MOST = 20

_COMPONENTS = f"""
    select attributed_date, coalesce(component, '–'), coalesce(kind, '–'), coalesce(model_version, '–'),
        count(*) filter (where credit <> 0), round(sum(credit), 3), round(avg(credit) filter (where credit <> 0), 3)
    from marts.component_credit
    where attributed_date between ? and ?
    group by all
    qualify row_number() over (partition by attributed_date order by sum(abs(credit)) desc nulls last, all) <= {_MOST}
    order by attributed_date, sum(abs(credit)) desc nulls last, all
"""
_DOCUMENTS = f"""
    select attributed_date, coalesce(document_id, chunk_id, '–'), coalesce(index_version, '–'),
        count(*) filter (where credit <> 0), round(sum(credit), 3), round(avg(overlap), 3)
    from marts.chunk_credit
    where attributed_date between ? and ?
    group by all
    qualify row_number() over (partition by attributed_date order by sum(abs(credit)) desc nulls last, all) <= {_MOST}
    order by attributed_date, sum(abs(credit)) desc nulls last, all
"""
_OUTCOMES = """
    select attributed_date, coalesce(index_version, '–'), coalesce(model_version, '–'), outcome, count(*)
    from marts.retrieval_outcomes
    where attributed_date between ? and ?
    group by all
    order by all
"""


def credit_metadata(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> Metadata:
    """Asset to day to a table, and numbers that become plots over partitions."""

    def by_day(query: str) -> dict[date, list[tuple[object, ...]]]:
        rows: dict[date, list[tuple[object, ...]]] = {}
        for day, *row in connection.execute(query, [days[0], days[-1]]).fetchall():
            rows.setdefault(day, []).append(tuple(row))
        return rows

    components = by_day(_COMPONENTS)
    documents = by_day(_DOCUMENTS)
    outcomes = by_day(_OUTCOMES)
    metadata: Metadata = {
        "component_credit": {
            day: {"credit": _table("component | kind | model version | judged | credit | mean", rows)}
            for day, rows in components.items()
        },
        "chunk_credit": {
            day: {"credit": _table("document | index version | judged | credit | mean overlap", rows)}
            for day, rows in documents.items()
        },
        "retrieval_outcomes": {},
    }
    for day, rows in outcomes.items():
        counts: dict[str, int] = {}
        for *_, outcome, count in rows:
            counts[str(outcome)] = counts.get(str(outcome), 0) + int(str(count))
        metadata["retrieval_outcomes"][day] = {
            "outcomes": _table("index version | model version | outcome | feedback", rows),
            **{outcome: dg.MetadataValue.int(count) for outcome, count in counts.items()},
        }
    return metadata


def _table(header: str, rows: Iterable[tuple[object, ...]]) -> dg.MetadataValue:
    columns = header.count("|") + 1
    lines = [f"| {header} |", "|" + "---|" * columns]
    lines += ["| " + " | ".join("–" if cell is None else _cell(cell) for cell in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    """Names are the producers': what would break the table is taken out of them, and they are cut."""
    return str(value).replace("|", "/").replace("\n", " ")[:60]
