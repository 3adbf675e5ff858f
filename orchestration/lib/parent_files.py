"""The files of a published version that another may share, and the hashes of those that it does not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.lib import parquet_files
from orchestration.lib.catalog import SPLIT_OF_FILE, Catalog

DATA, ROWS = "data", "rows"


@dataclass(frozen=True)
class ParentFiles:
    """A published file of rows and the one of their keys and hashes: where, and what the manifest tells of them."""

    folder: Path
    data: Mapping[str, Any]
    rows: Mapping[str, Any]


def parent_files(catalog: Catalog, version: str | None) -> dict[str, ParentFiles]:
    """What is in a version's files to the files, as far as they are there and can be shared."""
    if version is None or not catalog.store.is_local:
        return {}
    folder = Path(catalog.store.full(f"{catalog.dataset}/{version}"))
    told = {file["path"]: file for file in catalog.manifest(version)["files"]}
    found = {}
    for path, data in told.items():
        rows = told.get(path.replace(f"{DATA}/", f"{ROWS}/", 1))
        if not (path.startswith(f"{DATA}/") and "content_sha256" in data and rows):
            continue
        if (folder / path).exists() and (folder / rows["path"]).exists():
            found[data["content_sha256"]] = ParentFiles(folder, data, rows)
    return found


def hashes_query(catalog: Catalog, version: str, key: Sequence[str], *, without: Collection[str]) -> str | None:
    """SQL for key, `split_` and `row_sha256` of a version's rows but for those in some files, named by what is in them.

    None where the version has no such files: it was published before there were any.
    """
    told = catalog.manifest(version)["files"]
    rows = {file["path"]: file for file in told if file["path"].startswith(f"{ROWS}/")}
    if len(rows) < sum(file["path"].startswith(f"{DATA}/") for file in told):
        return None
    own = [path for path, file in rows.items() if file.get("content_sha256") not in without]
    # Of no file there are no rows, but their columns.
    urls = [catalog.store.url(f"{catalog.dataset}/{version}/{path}") for path in own or rows]
    read = parquet_files.read(urls, options="filename = true")
    query = f"select {', '.join(key)}, {SPLIT_OF_FILE} as split_, row_sha256 from {read}"
    return query if own else f"{query} limit 0"
