"""The ledger's files, as the manifests of the versions that rest on them list them."""

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.ledger_metadata import file_metadata
from orchestration.lib.ledger_parts import day_of
from orchestration.lib.retention.ledger_texts import LOADED
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store


class LedgerFiles:
    """All of them, looked at once for all versions of a publication: a range has a version a day."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def until(self, day: date) -> list[dict[str, Any]]:
        """Those that a snapshot as of a day rests on; empty days have files, too."""
        return [file for received, file in self._all if received <= day]

    @cached_property
    def _all(self) -> list[tuple[date, dict[str, Any]]]:
        ledger = Store(self._settings.ledger_url)
        files = []
        for stream in STREAMS:
            of_files = file_metadata(self._settings, stream, ("schema_version", "ledger_version", LOADED))
            for path, told in of_files.items():
                file = {
                    "path": f"ledger/{path}",
                    "bytes": Path(ledger.full(path)).stat().st_size,
                    "schema_version": int(told["schema_version"]),
                    "ledger_version": told["ledger_version"],
                }
                if LOADED in told:
                    # With which it was loaded, where it has lost texts since: they are no other lines.
                    file[LOADED] = told[LOADED]
                files.append((day_of(path), file))
        return files
