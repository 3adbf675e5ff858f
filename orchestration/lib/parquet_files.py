"""Parquet as this platform keeps it: the one place that reads and writes it, encrypted or not.

Whether a file is encrypted is told by its first four bytes, so that who reads some need not be told. A plain file has
its metadata in itself, and an encrypted one in a file beside it: DuckDB's encryption is not what pyarrow reads, and
DuckDB reads no metadata of an encrypted file.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lib.duck import connect
from orchestration.lib.encryption import READ_OPTION, SETTING, EncryptionError, copy_options, key_check
from orchestration.lib.field_sql import quote
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store, json_text

# zstd level 1 loads 20 % faster than 3 for 10 % more bytes (DESIGN section 6).
COMPRESSION_LEVEL = 1
_ENCRYPTED = b"PARE"
_KEY_CHECK = "key_check"


def is_encrypted(path: str | Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == _ENCRYPTED


def read(paths: Sequence[str | Path], *, options: str = "") -> str:
    """SQL for the rows of some files; `options` are further ones of `read_parquet`.

    Raises EncryptionError where some are encrypted and some are not.
    """
    encrypted = [path for path in paths if is_encrypted(path)]
    if encrypted and len(encrypted) < len(paths):
        plain = next(path for path in paths if path not in encrypted)
        raise EncryptionError(
            f"{plain} is not encrypted and {encrypted[0]} is; with {SETTING} set run `attribution encrypt`"
        )
    files = ", ".join(quote(str(path)) for path in paths)
    more = f", {options}" if options else ""
    return f"read_parquet([{files}]{more}{READ_OPTION if encrypted else ''})"


def write(
    settings: Settings,
    target: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    *,
    metadata: Callable[[], Mapping[str, str]],
    row_group_size: int | None = None,
) -> None:
    """Writes tables in their order, with metadata in the file or, where it is encrypted, beside it.

    `metadata` is asked once the tables are written, since it may tell of them.
    """
    if settings.encryption_key is None:
        with pq.ParquetWriter(target, schema, compression="zstd", compression_level=COMPRESSION_LEVEL) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=row_group_size)
            writer.add_key_value_metadata(metadata())
        return
    batches = (batch for table in tables for batch in table.to_batches())
    groups = f", row_group_size {row_group_size}" if row_group_size else ""
    # One thread: DuckDB's parallel scan of an Arrow stream hands its rows on out of order.
    with connect(settings, threads=1) as connection:
        connection.register("rows", pa.RecordBatchReader.from_batches(schema, batches))
        connection.execute(
            f"copy (from rows) to {quote(str(target))} (format parquet, compression zstd, "
            f"compression_level {COMPRESSION_LEVEL}{groups}{copy_options(settings)})"
        )
    beside(target).write_text(json_text({**metadata(), _KEY_CHECK: key_check(settings)}), encoding="utf-8")


def stored(settings: Settings, path: str | Path, *, rows_at_once: int) -> Iterator[pa.Table]:
    """A file's rows in their order: by its row groups, or where it is encrypted as many at once as is said."""
    if not is_encrypted(path):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group).replace_schema_metadata(None)
        if not file.num_row_groups:
            yield file.schema_arrow.remove_metadata().empty_table()
        return
    with connect(settings, threads=1) as connection:
        rows = connection.execute(f"select * from {read([path], options='hive_partitioning = false')}")
        reader = rows.to_arrow_reader(rows_at_once)
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch])


def put(settings: Settings, store: Store, local: Path, path: str) -> None:
    """Moves a written file in, its metadata last: where that is older than the file, the file is read again."""
    store.put(local, path)
    if settings.encryption_key:
        store.put(beside(local), str(beside(path)))
    else:
        beside(store.full(path)).unlink(missing_ok=True)


@contextmanager
def scratch_file(settings: Settings) -> Iterator[Path]:
    """Where a file is written before `put` moves it in; what was not moved is removed."""
    local = settings.data_dir / ".scratch" / f"{uuid.uuid4().hex}.parquet"
    local.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield local
    finally:
        discard(local)


def discard(path: Path) -> None:
    """Removes a file, and what stands beside an encrypted one."""
    path.unlink(missing_ok=True)
    beside(path).unlink(missing_ok=True)


def has_same(settings: Settings, store: Store, local: Path, path: str) -> bool:
    """Whether the stored file is what was written: by its bytes, or, as no two encryptions are alike, by its rows."""
    target = Path(store.full(path))
    if settings.encryption_key is None or not target.exists() or not is_encrypted(target):
        return store.has_same(local, path)
    if not beside(target).exists() or metadata_of(settings, local) != metadata_of(settings, target):
        return False
    with connect(settings) as connection:
        told = [connection.execute(rows_digest(file)).fetchone() for file in (local, target)]
    return told[0] == told[1]


def rows_digest(path: Path) -> str:
    """SQL that tells a file's rows, in their order, from others."""
    options = "file_row_number = true, hive_partitioning = false"
    return f"select count(*), bit_xor(hash(rows)) from {read([path], options=options)} as rows"


def check_key(settings: Settings, path: str | Path) -> None:
    """Raises EncryptionError where a file is encrypted, and not with the key that is set."""
    if is_there(path) and is_encrypted(path):
        metadata_of(settings, path)


def is_there(path: str | Path) -> bool:
    """Whether a file is there whole: encrypted, it counts once its metadata are beside it."""
    return Path(path).exists() and (not is_encrypted(path) or beside(path).exists())


def metadata_of(settings: Settings, path: str | Path) -> dict[str, str]:
    """A file's metadata. Raises EncryptionError where it is not encrypted as the setting says."""
    if settings.encryption_key is None:
        if is_encrypted(path):
            raise EncryptionError(f"{path} is encrypted; set {SETTING} to the key that it was written with")
        return plain_metadata(path)
    if not is_encrypted(path):
        raise EncryptionError(f"{path} is not encrypted, and {SETTING} is set; run `attribution encrypt`, or unset it")
    told: dict[str, str] = json.loads(beside(path).read_text(encoding="utf-8"))
    if told.pop(_KEY_CHECK) != key_check(settings):
        raise EncryptionError(f"{SETTING} is not the key that {path} was written with; set that one")
    return told


def plain_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a file in clear, without pyarrow's own."""
    told = pq.read_metadata(path).metadata or {}
    return {key.decode(): value.decode() for key, value in told.items() if key != b"ARROW:schema"}


def beside(path: str | Path) -> Path:
    """Where the metadata of an encrypted file are."""
    return Path(path).with_suffix(".json")
