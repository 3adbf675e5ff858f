"""Encrypting what was written before there was a key: ledger, enrichment and published versions, where they are."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from orchestration.contracts.json_schema import LANDED_STREAMS
from orchestration.lib import attribution_files, parquet_files
from orchestration.lib.analytics import FILE_NAME
from orchestration.lib.catalog import Catalog, datasets
from orchestration.lib.duck import connect
from orchestration.lib.encrypted_versions import encrypt_version
from orchestration.lib.encryption import needed_key
from orchestration.lib.follow.locks import let_go
from orchestration.lib.landing import CHUNK_LINES
from orchestration.lib.ledger_parts import all_parts, day_of
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.retention import findings, text_store
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store


def encrypt_stored(settings: Settings, *, tell: Callable[[str], None]) -> str:
    """Encrypts what is in clear, a file in one step, so that what was interrupted is taken up again; says what is next.

    The warehouse holds nothing that the ledger does not: it is removed, and the next run builds it encrypted.
    """
    needed_key(settings)
    with warehouse_lock(settings, holder="attribution encrypt", tell=tell):
        ledger, enrichment = Store(settings.ledger_url), Store(str(settings.enrichment_dir))
        parts = [path for stream in LANDED_STREAMS for path in all_parts(ledger, stream.name)]
        files = sum(_encrypt(settings, ledger, path) for path in parts)
        tell(f"{files} ledger files encrypted")
        for path in findings.stored_paths(settings):
            _encrypt(settings, ledger, path)
        for path in text_store.stored_days(settings).values():
            _encrypt(settings, Store(str(settings.data_dir)), path)
        for folder in enrichment.folders(attribution_files.FOLDER):
            _encrypt(settings, enrichment, f"{attribution_files.FOLDER}/{folder}/{attribution_files.FILE}")
        tell(f"{_encrypt_versions(settings)} dataset versions encrypted")
        # What is made anew, and is in clear now or rests on files that were.
        settings.warehouse.unlink(missing_ok=True)
        (settings.published_dir / FILE_NAME).unlink(missing_ok=True)
        let_go(settings)
        shutil.rmtree(settings.data_dir / ".fingerprints", ignore_errors=True)
        shutil.rmtree(settings.data_dir / ".scratch", ignore_errors=True)
    loaded = sorted({day_of(path) for path in parts})
    if not loaded:
        return "there is nothing in the ledger yet"
    return (
        f"now build the warehouse encrypted: attribution run --from {loaded[0]} --to {loaded[-1]}\n"
        "in clear stay: landing files, manifests, cards, plots, and what deleted files left on the disk"
    )


def _encrypt(settings: Settings, store: Store, path: str) -> bool:
    """Encrypts one file with its metadata; returns whether it was in clear."""
    source = Path(store.full(path))
    if not source.exists() or parquet_files.is_encrypted(source):
        parquet_files.check_key(settings, source)
        return False
    with parquet_files.scratch_file(settings) as beside:
        parquet_files.write(
            settings,
            beside,
            pq.read_schema(source).remove_metadata(),
            parquet_files.stored(settings, source, rows_at_once=CHUNK_LINES),
            metadata=lambda: parquet_files.plain_metadata(source),
            row_group_size=CHUNK_LINES,
        )
        parquet_files.put(settings, store, beside, path)
    return True


def _encrypt_versions(settings: Settings) -> int:
    encrypted = 0
    with connect(settings) as connection:
        for name in datasets(settings):
            catalog, made = Catalog(settings, name), dict[str, Path]()
            for version in catalog.versions():
                folder = Path(catalog.store.full(f"{name}/{version}"))
                encrypted += encrypt_version(settings, connection, folder, made)
    return encrypted
