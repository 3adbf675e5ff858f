"""What the UI shows of credit: which parts earned what on a day, and retriever and generator judged apart."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import dagster as dg
import duckdb

from orchestration.lib.metadata_tables import Metadata, rows_by_day, table

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
    first_to_last = [days[0], days[-1]]
    components = rows_by_day(connection, _COMPONENTS, first_to_last)
    documents = rows_by_day(connection, _DOCUMENTS, first_to_last)
    outcomes = rows_by_day(connection, _OUTCOMES, first_to_last)
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
        counts: Counter[str] = Counter()
        for *_, outcome, count in rows:
            counts[outcome] += count
        metadata["retrieval_outcomes"][day] = {
            "outcomes": table("index version | model version | outcome | feedback", rows),
            **{outcome: dg.MetadataValue.int(count) for outcome, count in counts.items()},
        }
    return metadata
