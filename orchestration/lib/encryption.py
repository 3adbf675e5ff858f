"""Encryption at rest: the key's derivatives, and connections that know them.

One key (FEEDBACK_ENCRYPTION_KEY and its two siblings), of which each use has a derivative of its own, so that who is
given one can not read what another is for. DuckDB keeps them in memory under a name; views and statements that are
stored anywhere name that name only. What is written here is DuckDB's Parquet encryption, which pyarrow can not read
(docs/decisions/0028).
"""

import base64
import hashlib
import hmac
from importlib.util import find_spec
from pathlib import Path

import duckdb

from orchestration.lib.settings import Secret, Settings, SettingsError, StateError

# By this name DuckDB knows the key of Parquet files.
KEY_NAME = "feedback"
# What the options of a COPY, and of read_parquet, say beside the others. No braces: dbt formats its sources' places.
COPY_OPTION = f", encryption_config {{footer_key: '{KEY_NAME}'}}"
READ_OPTION = f", encryption_config = struct_pack(footer_key := '{KEY_NAME}')"
# What a manifest says of a version whose Parquet files are encrypted.
ENCRYPTED = {
    "parquet": f"DuckDB's, all of footer and columns, key {KEY_NAME}",
    "hashes": "sha256 and bytes of a file are of the encrypted one, which no two runs make alike; content_sha256 is "
    "of the rows, and names the version",
    "formats": "written when the version is decrypted: `attribution datasets decrypt`",
}
PARQUET, WAREHOUSE, ANALYTICS, CHECK = "parquet", "warehouse", "analytics", "check"
SETTING = "FEEDBACK_ENCRYPTION_KEY (or _FILE, or _COMMAND)"
# Rows that a database file stores together: each day's rows make DuckDB write those anew that they are stored with
# (docs/decisions/0038). dbt_project/profiles.yml says the same.
ROW_GROUP_SIZE = 20_480
_EXTENSION = "duckdb_extension_httpfs"


class EncryptionError(StateError):
    """What is stored and the key that is set do not go together; the message says what to do and shows no key."""


def derived(key: Secret, use: str) -> Secret:
    """The key of one use: 32 bytes in base64."""
    digest = hmac.new(key.reveal().encode(), f"feedback-attribution {use}".encode(), hashlib.sha256).digest()
    return Secret(base64.b64encode(digest).decode())


def needed_key(settings: Settings) -> Secret:
    """The key. Raises SettingsError where none is set."""
    if settings.encryption_key is None:
        raise SettingsError(f"there is no key: set {SETTING}")
    return settings.encryption_key


def copy_options(settings: Settings) -> str:
    """What is appended to the options of a COPY to Parquet."""
    return COPY_OPTION if settings.encryption_key else ""


def key_check(settings: Settings) -> str:
    """What tells one key from another, and nothing of either; empty without a key."""
    return derived(settings.encryption_key, CHECK).reveal()[:12] if settings.encryption_key else ""


def prepare(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Lets a connection read and write encrypted files; without a key it stays as it is."""
    if settings.encryption_key is None:
        return
    try:
        # DuckDB's own crypto only reads; httpfs brings OpenSSL.
        connection.execute(f"load '{_extension()}'")
        connection.execute("set temp_file_encryption = true")
        connection.execute(
            f"pragma add_parquet_key('{KEY_NAME}', '{derived(settings.encryption_key, PARQUET).reveal()}')"
        )
    except duckdb.Error as error:
        raise EncryptionError(f"DuckDB can not encrypt here: {type(error).__name__}") from None


def attach(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    path: Path,
    alias: str,
    *,
    read_only: bool,
    use: str = WAREHOUSE,
) -> None:
    """Attaches a database file. Raises EncryptionError where file and key do not go together, and DuckDB's errors."""
    options = ["read_only" if read_only else f"row_group_size {ROW_GROUP_SIZE}", *attach_options(settings, use)]
    quoted = str(path).replace("'", "''")
    try:
        connection.execute(f"attach '{quoted}' as {alias} ({', '.join(options)})")
    except (duckdb.InvalidInputException, duckdb.CatalogException) as error:
        raise EncryptionError(_mismatch(path, settings, str(error))) from None


def attach_options(settings: Settings, use: str = WAREHOUSE) -> list[str]:
    """The options of ATTACH for an encrypted file. They hold the key: for execution, and nothing else."""
    return [f"encryption_key '{derived(settings.encryption_key, use).reveal()}'"] if settings.encryption_key else []


def _mismatch(path: Path, settings: Settings, message: str) -> str:
    if settings.encryption_key is None and "encrypt" in message:
        return f"{path} is encrypted; set {SETTING} to the key that it was written with"
    if "Wrong encryption key" in message:
        return f"{SETTING} is not the key that {path} was written with; set that one"
    if settings.encryption_key and "encrypt" in message:
        return f"{path} is not encrypted, and {SETTING} is set; run `attribution encrypt`, or unset it"
    return f"{path} can not be opened: {message.splitlines()[0]}"


def _extension() -> Path:
    spec = find_spec(_EXTENSION)
    folder = Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None
    path = folder / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension" if folder else None
    if path is None or not path.exists():
        raise SettingsError(
            f"{SETTING} needs DuckDB's httpfs extension for DuckDB {duckdb.__version__}; "
            "pip install 'feedback-attribution[encryption]'"
        )
    return path
