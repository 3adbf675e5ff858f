"""The rule of attribution as the batch has it: dbt's own models, compiled once and run on few rows at a time.

No second implementation: what is done here is to put other relations and other days in the compiled SQL's places.
"""

import dataclasses
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import duckdb

from orchestration.lib import dbt
from orchestration.lib.build_window import BuildWindow
from orchestration.lib.settings import Settings
from orchestration.lib.store import replace_text

# Stand in the compiled SQL for the window's days; no model and no datum has them.
_FROM, _TO = date(1001, 1, 1), date(1002, 2, 2)
# In the order in which they read each other.
_MODELS = (
    *("stg_inferences", "stg_inference_parts", "stg_feedback", "stg_reviews"),
    *("int_inference_receipts", "int_feedback_receipts", "int_review_decisions", "int_feedback_candidates"),
    *("int_feedback_matches", "int_correction_measures", "int_feedback_flags", "int_feedback_attributions"),
    "attributed_feedback",
)
# An incremental model reads its own earlier partitions only where dbt finds it built.
_READS_ITSELF = ("int_inference_receipts", "int_feedback_receipts", "int_feedback_flags")
_RELATION = re.compile(r"""read_parquet\('ledger:(\w+)'\)|"[^"\s]+"\."[^"\s]+"\."([^"\s]+)\"""")


# What is kept of days whose texts have gone: a day that is open has its texts.
_OF_OLD_DAYS: Mapping[str, str] = {
    "text_findings": "(select null::varchar as model, null::date as partition_date, null::varchar as finding "
    "where false)"
}


@dataclass(frozen=True)
class Models:
    """Compiled SQL by the model's name."""

    compiled: Mapping[str, str]

    @cached_property
    def rules(self) -> list[str]:
        return sorted(name for name in self.compiled if name.startswith("rule_"))

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.compiled, sort_keys=True).encode()).hexdigest()[:16]

    def sql(self, name: str, relations: Mapping[str, str], window: tuple[date, date] = (_FROM, _TO)) -> str:
        """A model's query over the given relations, which must be all that it reads, for the days of a window."""
        given = {**_OF_OLD_DAYS, **relations}
        sql = _RELATION.sub(lambda found: given[found.group(1) or found.group(2)], self.compiled[name])
        return sql.replace(_FROM.isoformat(), window[0].isoformat()).replace(_TO.isoformat(), window[1].isoformat())


def load_models(settings: Settings) -> Models:
    """The models as the settings have them; compiled anew only where the project or a setting has changed."""
    window = BuildWindow(_FROM, _TO, _FROM, _TO)
    variables = json.dumps({**dbt.run_variables(settings, window), "ask_for_days": True, "encrypted": False})
    key = hashlib.sha256(f"{dbt.project_state()}\n{variables}".encode()).hexdigest()
    kept = settings.data_dir / ".scratch" / "follow" / "models.json"
    if kept.exists():
        told = json.loads(kept.read_text(encoding="utf-8"))
        if told["key"] == key:
            return Models(told["compiled"])
    compiled = _compile(settings, variables)
    kept.parent.mkdir(parents=True, exist_ok=True)
    replace_text(kept, json.dumps({"key": key, "compiled": compiled}))
    return Models(compiled)


def _compile(settings: Settings, variables: str) -> dict[str, str]:
    scratch = settings.data_dir / ".scratch" / f"follow-{uuid.uuid4().hex}"
    scratch.mkdir(parents=True)
    # A warehouse that has nothing but the names that dbt looks for: the real one may be in use, or not there yet.
    place = dataclasses.replace(settings, warehouse=scratch / settings.warehouse.name, encryption_key=None)
    try:
        with duckdb.connect(str(place.warehouse)) as connection:
            connection.execute("create schema intermediate")
            for name in _READS_ITSELF:
                connection.execute(f"create table intermediate.{name} (nothing integer)")
        dbt.set_environment(place)
        project = dbt.project_of(place)
        for source in project.sources.values():
            source.meta = {**source.config.meta, "external_location": f"read_parquet('ledger:{source.name}')"}
        names = [*_MODELS, *sorted(path.stem for path in dbt.RULES_DIR.glob("*.sql"))]
        what = ["compile", "--select", *names, "--indirect-selection", "empty", "--vars", variables, "--no-write-json"]
        result = dbt.invoke([*what, "--target-path", str(scratch / "target")], manifest=project)
        if not result.success:
            raise dbt.DbtError(f"dbt can not compile the models: {result.exception or _messages(result.result)}")
        compiled = {one.node.name: one.node.compiled_code for one in result.result.results}
        return {name: compiled[name] for name in names}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        dbt.set_environment(settings)


def _messages(result: object) -> str:
    return "; ".join(one.message for one in getattr(result, "results", []) if one.message)
