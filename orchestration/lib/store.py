"""Where files are kept: a folder or any fsspec URL, with writes that appear whole or not at all."""

import filecmp
import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


@dataclass(frozen=True)
class StoredFile:
    """One file of a store: its path relative to the store's root and its size in bytes."""

    path: str
    bytes: int

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


class Store:
    """Files below one root. All paths given and returned are relative to it, with `/` between folders."""

    def __init__(self, url: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(url)
        self.root = self.root.rstrip("/")
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def full(self, path: str) -> str:
        return f"{self.root}/{path}"

    def url(self, path: str) -> str:
        """The path as DuckDB reads it, given `register` where the store is remote."""
        full = self.full(path)
        return full if self.is_local else self.fs.unstrip_protocol(full)

    def files(self, folder: str) -> list[StoredFile]:
        """The files directly in a folder, by name; empty when there is no such folder."""
        return self.entries(folder)[0]

    def modified(self, path: str) -> datetime | None:
        """When the file came or was last written, in UTC; None where the store does not say."""
        try:
            return self.fs.modified(self.full(path)).astimezone(UTC)  # type: ignore[no-any-return]
        except (NotImplementedError, FileNotFoundError):
            return None

    def folders(self, folder: str) -> list[str]:
        """The names of the folders directly in a folder, sorted."""
        return self.entries(folder)[1]

    def entries(self, folder: str) -> tuple[list[StoredFile], list[str]]:
        """Both, looked up once."""
        if not self.is_local:
            self.fs.invalidate_cache()
        try:
            entries = self.fs.ls(self.full(folder), detail=True)
        except FileNotFoundError:
            return [], []
        named = sorted(((e["name"].rstrip("/").rsplit("/", 1)[-1], e) for e in entries), key=lambda n: n[0])
        files = [StoredFile(f"{folder}/{name}", int(e["size"])) for name, e in named if e["type"] == "file"]
        return files, [name for name, e in named if e["type"] == "directory"]

    def exists(self, path: str) -> bool:
        return bool(self.fs.exists(self.full(path)))

    def has_same(self, local: Path, path: str) -> bool:
        """Whether the stored file has the bytes of a local one; False where that can not be told cheaply."""
        target = Path(self.full(path))
        return self.is_local and target.exists() and filecmp.cmp(local, target, shallow=False)

    def put(self, local: Path, path: str) -> None:
        """Moves a local file in, in one step: readers see the old file or the new one, never a part."""
        target = self.full(path)
        if not self.is_local:
            self.fs.put_file(str(local), target)  # object stores show an object when it is complete
            local.unlink()
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        beside = Path(f"{target}.{uuid.uuid4().hex}.tmp")
        shutil.move(local, beside)
        fsync(beside)
        beside.replace(target)
        fsync(Path(target).parent)

    def put_folder(self, local: Path, folder: str) -> None:
        """Moves a local folder in, in one step; the target must not be there yet."""
        target = Path(self.full(folder))
        if not self.is_local:
            # The manifest goes last: a version without one does not count as published.
            files = sorted((f for f in local.rglob("*") if f.is_file()), key=lambda f: f.name == "manifest.json")
            for file in files:
                self.fs.put_file(str(file), f"{target}/{file.relative_to(local).as_posix()}")
            shutil.rmtree(local)
            return
        for file in local.rglob("*"):
            fsync(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        local.rename(target)
        fsync(target.parent)

    def read_json(self, path: str) -> Any:
        with self.fs.open(self.full(path), "rb") as file:
            return json.loads(file.read())

    def write_json(self, path: str, value: Any, *, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        local = scratch / f"{uuid.uuid4().hex}.json"
        local.write_text(json_text(value), encoding="utf-8")
        self.put(local, path)


def file_sha256(path: str | Path) -> str:
    """A local file's sha256, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_text(value: Any) -> str:
    """JSON as this platform publishes it: keys in the given order, two spaces, a newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def replace_text(path: Path, text: str) -> None:
    """Writes a local file whole or not at all."""
    beside = path.with_name(f".{path.name}")
    beside.write_text(text, encoding="utf-8")
    fsync(beside)
    beside.replace(path)


def fsync(path: Path) -> None:
    """Makes a file's bytes, or a folder's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
