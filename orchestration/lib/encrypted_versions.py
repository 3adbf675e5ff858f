"""A published version in clear and encrypted: the same rows, and what of manifest and Croissant tells of the files."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from orchestration.formats import croissant, data_files, write_formats
from orchestration.lib import parquet_files
from orchestration.lib.catalog import Catalog
from orchestration.lib.companions import version_files
from orchestration.lib.duck import connect
from orchestration.lib.encryption import ENCRYPTED, copy_options, needed_key
from orchestration.lib.field_sql import quote
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.snapshot import PARQUET, column_types
from orchestration.lib.store import file_sha256, fsync, json_text, replace_text

MANIFEST = "manifest.json"


def decrypt(settings: Settings, name: str, version: str, into: Path) -> None:
    """Writes a version in clear, with the formats of its recipe, each file checked against the manifest.

    Raises StateError where the folder is not empty, or a file is not as it was published.
    """
    catalog = Catalog(settings, name)
    manifest = catalog.published(version)
    if "encryption" not in manifest:
        raise StateError(f"{name} {version} is in clear: {catalog.store.full(f'{name}/{version}')}")
    needed_key(settings)
    if into.exists() and any(into.iterdir()):
        raise StateError(f"{into} is not empty; name a folder that is, so that nothing in it is taken for the version")
    source = Path(catalog.store.full(f"{name}/{version}"))
    with connect(settings, threads=1) as connection:
        for file in manifest["files"]:
            if file_sha256(source / file["path"]) != file["sha256"]:
                raise StateError(f"{source / file['path']} is not as it was published: its sha256 is another")
            target = into / file["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix == ".parquet":
                _copy(connection, source / file["path"], target, options="")
            else:
                shutil.copy2(source / file["path"], target)
        rows = _rows(connection, into)
        if rows != manifest["rows"]:
            raise StateError(f"{name} {version} has {rows} rows by split, and {manifest['rows']} in its manifest")
        paths = [path for of_split in data_files(into).values() for path in of_split]
        types = column_types(connection, f"select * from {parquet_files.read(paths)}")
        formats = write_formats(connection, into, manifest["recipe"].get("formats", ()), types)
    told = {key: value for key, value in manifest.items() if key not in ("encryption", "files")}
    _tell(into, {**told, "formats": formats, "files": _files(into, manifest)})


def encrypt_version(
    settings: Settings, connection: duckdb.DuckDBPyConnection, folder: Path, made: dict[str, Path]
) -> bool:
    """Encrypts a published version where it is; returns whether it was in clear.

    Each file is replaced in one step and the manifest last, so that what was interrupted is taken up again. `made` is
    the sha256 of files in clear to the encrypted ones, which versions share as they did.
    """
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if "encryption" in manifest:
        return False
    for file in manifest["files"]:
        path = folder / file["path"]
        if path.suffix == ".parquet" and not parquet_files.is_encrypted(path):
            beside = path.with_name(f".{path.name}")
            beside.unlink(missing_ok=True)
            if file["sha256"] in made:
                beside.hardlink_to(made[file["sha256"]])
            else:
                _copy(connection, path, beside, options=copy_options(settings))
                fsync(beside)
            beside.replace(path)
            made[file["sha256"]] = path
    for written in manifest.get("formats", {}).values():
        for name in written["files"]:
            (folder / name).unlink(missing_ok=True)
    _tell(folder, {**manifest, "encryption": ENCRYPTED, "formats": {}, "files": _files(folder, manifest)})
    return True


def same_in_clear(settings: Settings, manifest: Mapping[str, Any], there: Path, made: Path) -> dict[str, bool]:
    """Whether each file of an encrypted version is, once decrypted, that of another making of it."""
    with connect(settings) as connection:
        return {
            file["path"]: _is_same_in_clear(connection, there / file["path"], made / file["path"])
            for file in manifest["files"]
        }


def _is_same_in_clear(connection: duckdb.DuckDBPyConnection, one: Path, other: Path) -> bool:
    if not one.exists() or not other.exists():
        return False
    if one.suffix == ".parquet":
        told = [connection.execute(parquet_files.rows_digest(path)).fetchone() for path in (one, other)]
        return told[0] == told[1]
    if one.name == croissant.FILE_NAME:
        texts = [json.loads(path.read_text(encoding="utf-8")) for path in (one, other)]
        for metadata in texts:  # tells hashes of encrypted files
            for file in metadata["distribution"]:
                file.pop("sha256", None)
        return bool(texts[0] == texts[1])
    return file_sha256(one) == file_sha256(other)


def _copy(connection: duckdb.DuckDBPyConnection, source: Path, target: Path, *, options: str) -> None:
    rows = parquet_files.read([source], options="hive_partitioning = false")
    connection.execute(f"copy (from {rows}) to {quote(str(target))} ({PARQUET}{options})")


def _rows(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    """Rows by split."""
    counted = {}
    for split, paths in data_files(folder).items():
        row = connection.execute(f"select count(*) from {parquet_files.read(paths)}").fetchone()
        counted[split] = int(row[0]) if row else 0
    return counted


def _files(folder: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files as they are now; what is in one is what it was."""
    before = {file["path"]: file for file in manifest["files"]}
    now = [file for file in version_files(folder) if file["path"] != MANIFEST]
    return [{**before.get(file["path"], {}), **file} for file in now]


def _tell(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest, and before it what Croissant says of the files."""
    told = {file["path"]: file for file in manifest["files"]}
    path = folder / croissant.FILE_NAME
    metadata = json.loads(path.read_text(encoding="utf-8"))
    for one in metadata.get("distribution", []):
        if one.get("contentUrl") in told:
            file = told[one["contentUrl"]]
            one |= {"sha256": file["sha256"], "contentSize": f"{file['bytes']} B"}
    replace_text(path, json_text(metadata))
    told[croissant.FILE_NAME] |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    replace_text(folder / MANIFEST, json_text({**manifest, "files": [told[name] for name in sorted(told)]}))
