"""Relations, of which sources are files: rendered as dbt-duckdb renders them, and translated with the rest."""

from dataclasses import dataclass
from typing import Any

from dbt.adapters.contracts.relation import HasQuoting, RelationConfig
from dbt.adapters.spark import SparkRelation


@dataclass(frozen=True, eq=False, repr=False)
class DuckDBOnSparkRelation(SparkRelation):
    external: str | None = None

    @classmethod
    def create_from(
        cls, quoting: HasQuoting, relation_config: RelationConfig, **kwargs: Any
    ) -> "DuckDBOnSparkRelation":
        if relation_config.resource_type == "source":
            meta = (getattr(relation_config, "config", None) or relation_config).meta or {}
            kwargs["external"] = meta.get("external_location")
        return super().create_from(quoting, relation_config, **kwargs)

    def render(self) -> str:
        return self.external or super().render()
