"""The fingerprints of published versions: kept in the data folder and not with the versions, since they are DuckDB's.

They save work and decide nothing that can not be found without them: where there are none, or another DuckDB made
them, every row is read.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

import duckdb

from orchestration.lib.card_facts import keep_facts
from orchestration.lib.encryption import copy_options
from orchestration.lib.row_hashes import Base, Day, fingerprint_columns, write_fingerprints
from orchestration.lib.settings import Settings
from orchestration.lib.snapshot import Snapshot
from orchestration.lib.store import json_text

# Versions of a dataset of which they are kept: the newest, and some for whoever runs days again.
_KEPT = 3
_ROWS, _DAYS = "rows.parquet", "days.json"


class Fingerprints:
    """Those of one dataset, by version."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        self._folder = settings.data_dir / ".fingerprints" / dataset
        self._options = copy_options(settings)

    def of(self, version: str, snapshot: Snapshot) -> Base | None:
        """Those of a version, if there are any and they are of the same columns."""
        folder = self._folder / f"{version}-{_made_by(snapshot)}"
        if not folder.exists():
            return None
        days = json.loads((folder / _DAYS).read_text(encoding="utf-8"))
        return Base(folder / _ROWS, [Day(**day | {"known_date": _date(day["known_date"])}) for day in days])

    def keep(
        self,
        connection: duckdb.DuckDBPyConnection,
        version: str,
        snapshot: Snapshot,
        days: Sequence[Day],
        base: Base | None,
        *,
        with_facts: bool,
    ) -> None:
        """Writes those of the snapshot on the connection, whole or not at all, and lets the oldest go.

        With them the facts that its card was made of, if it was made on the connection.
        """
        target = self._folder / f"{version}-{_made_by(snapshot)}"
        if target.exists():
            return
        beside = self._folder / f".{uuid.uuid4().hex}"
        beside.mkdir(parents=True)
        try:
            write_fingerprints(connection, beside / _ROWS, days, base, options=self._options)
            if with_facts:
                keep_facts(connection, beside, options=self._options)
            told = [asdict(day) | {"known_date": str(day.known_date)} for day in days]
            (beside / _DAYS).write_text(json_text(told), encoding="utf-8")
            beside.rename(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        kept = sorted((path for path in self._folder.iterdir()), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[:-_KEPT]:
            shutil.rmtree(path, ignore_errors=True)


def _made_by(snapshot: Snapshot) -> str:
    """What fingerprints follow from beside the rows."""
    told = {
        "duckdb": duckdb.__version__,
        "types": snapshot.types,
        "sql": fingerprint_columns(snapshot),
        "computed_by": snapshot.computed_by,
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def _date(text: str) -> date | None:
    return None if text == "None" else date.fromisoformat(text)
