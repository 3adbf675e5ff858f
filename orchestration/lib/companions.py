"""What a version's folder holds beside its rows: formats, plots, Croissant, card. All follow from rows and manifest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.formats import column_types, croissant, data_files, plots, write_formats
from orchestration.lib import card
from orchestration.lib.card_facts import RowsFile, find_facts
from orchestration.lib.card_statistics import facts_wanted, statistics
from orchestration.lib.class_balance import class_balance
from orchestration.lib.known_limits import known_limits
from orchestration.lib.parent_files import ROWS
from orchestration.lib.recipe import Recipe
from orchestration.lib.store import file_sha256, json_text


def version_files(folder: Path, known: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Every file of a version as the manifest lists it; those `known` are not read again."""
    told = {file["path"]: dict(file) for file in known}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in told:
            told[name] = {"path": name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
    return [told[name] for name in sorted(told)]


def rows_files(folder: Path, known: Sequence[Mapping[str, Any]]) -> list[RowsFile]:
    """The files of rows of a version, with those of their lengths."""
    told = {file["path"]: file["sha256"] for file in known}
    found = []
    for split, paths in data_files(folder).items():
        for path in paths:
            rows, name = folder / ROWS / path.name, path.relative_to(folder).as_posix()
            found.append(RowsFile(split, path, rows if rows.exists() else None, told.get(name) or file_sha256(path)))
    return found


def write_companions(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    recipe: Recipe,
    manifest: Mapping[str, Any],
    types: Mapping[str, str],
    known: Sequence[Mapping[str, Any]] = (),
    kept_facts: Path | None = None,
) -> dict[str, Any]:
    """Writes them; returns the manifest with `formats`, and with every file in `files`, as told where it is `known`.

    `kept_facts` is where facts of files that the parent has, too, may be. Raises FormatError.
    """
    parsed = {column: column_types.parse(connection, kind) for column, kind in types.items()}
    files = rows_files(folder, known)
    find_facts(connection, files, facts_wanted(parsed, recipe.row_key), kept_facts)
    found = statistics(connection, dict.fromkeys(file.split for file in files), parsed, recipe.row_key)
    told = {
        **manifest,
        "classes": class_balance(connection, found),
        # They would hold the rows in clear: who decrypts the version has them written.
        "formats": {} if "encryption" in manifest else write_formats(connection, folder, recipe.formats, types),
        "files": version_files(folder, known),
    }
    (folder / "plots").mkdir()
    for name, (title, values) in card.plots(found).items():
        (folder / "plots" / f"{name}.svg").write_text(plots.bars(title, values), encoding="utf-8")
    metadata = croissant.croissant_metadata(
        name=recipe.name,
        description=recipe.description,
        license=recipe.license,
        version=manifest["version"],
        date=manifest["partition"],
        columns=recipe.columns,
        types=parsed,
        splits=list(found.rows),
        files=told["files"],
        key=recipe.row_key,
        limits=known_limits(recipe, told, parsed, found.rows),
    )
    (folder / croissant.FILE_NAME).write_text(json_text(metadata), encoding="utf-8")
    (folder / "README.md").write_text(card.dataset_card(recipe, told, parsed, found), encoding="utf-8")
    return {**told, "files": version_files(folder, told["files"])}
