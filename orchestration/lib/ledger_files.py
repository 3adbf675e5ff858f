"""The ledger's files, as the manifests of the versions that rest on them list them."""

from datetime import date
from functools import cached_property
from typing import Any

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.ledger import LEDGER_FILE, ledger_metadata_by_key
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
            told = ledger_metadata_by_key(self._settings, stream, ("schema_version", "ledger_version", LOADED))
            # Another run may be loading a day that was not there yet.
            for received in sorted(told["ledger_version"]):
                for found in ledger.files(f"{stream.name}/received_date={received}"):
                    if found.name == LEDGER_FILE:
                        file = {
                            "path": f"ledger/{found.path}",
                            "bytes": found.bytes,
                            "schema_version": int(told["schema_version"][received]),
                            "ledger_version": told["ledger_version"][received],
                        }
                        if received in told[LOADED]:
                            # With which it was loaded, where it has lost texts since: they are no other lines.
                            file[LOADED] = told[LOADED][received]
                        files.append((received, file))
        return files
