"""What the UI shows of credit: which parts earned what on a day, and retriever and generator judged apart."""

from collections.abc import Iterable, Sequence
from datetime import date

import dagster as dg
import duckdb

Metadata = dict[str, dict[date, dict[str, dg.MetadataValue]]]

# The parts with most credit or blame; the others would hide them.
_MOST = 20

_COMPONENTS = f"""
    with parts as (
        select attributed_date, coalesce(component, '–') as component, coalesce(kind, '–') as kind,
            coalesce(model_version, '–') as model_version, count(*) filter (where credit <> 0) as judged,
            sum(credit) as credit, avg(credit) filter (where credit <> 0) as mean, sum(abs(credit)) as weight
        from marts.component_credit
        where attributed_date between ? and ?
        group by all
    )
    select attributed_date, component, kind, model_version, judged, round(credit, 3), round(mean, 3)
    from parts
    qualify row_number() over (
        partition by attributed_date order by weight desc nulls last, component, kind, model_version
    ) <= {_MOST}
    order by attributed_date, weight desc nulls last, component, kind, model_version
"""
_DOCUMENTS = f"""
    with parts as (
        select attributed_date, coalesce(document_id, chunk_id, '–') as document,
            coalesce(index_version, '–') as index_version, count(*) filter (where credit <> 0) as judged,
            sum(credit) as credit, avg(overlap) as overlap, sum(abs(credit)) as weight
        from marts.chunk_credit
        where attributed_date between ? and ?
        group by all
    )
    select attributed_date, document, index_version, judged, round(credit, 3), round(overlap, 3)
    from parts
    qualify row_number() over (
        partition by attributed_date order by weight desc nulls last, document, index_version
    ) <= {_MOST}
    order by attributed_date, weight desc nulls last, document, index_version
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
            day: {"credit": table("component | kind | model version | judged | credit | mean", rows)}
            for day, rows in components.items()
        },
        "chunk_credit": {
            day: {"credit": table("document | index version | judged | credit | mean overlap", rows)}
            for day, rows in documents.items()
        },
        "retrieval_outcomes": {},
    }
    for day, rows in outcomes.items():
        counts: dict[str, int] = {}
        for *_, outcome, count in rows:
            counts[str(outcome)] = counts.get(str(outcome), 0) + int(str(count))
        metadata["retrieval_outcomes"][day] = {
            "outcomes": table("index version | model version | outcome | feedback", rows),
            **{outcome: dg.MetadataValue.int(count) for outcome, count in counts.items()},
        }
    return metadata


def table(header: str, rows: Iterable[tuple[object, ...]]) -> dg.MetadataValue:
    """A markdown table; `header` has the columns' names with | between them."""
    columns = header.count("|") + 1
    lines = [f"| {header} |", "|" + "---|" * columns]
    lines += ["| " + " | ".join("–" if cell is None else _cell(cell) for cell in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    """Names are the producers': what would break the table is taken out of them, and they are cut."""
    return str(value).replace("|", "/").replace("\n", " ")[:60]
