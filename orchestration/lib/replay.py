"""The ledger replayed into a fresh place: the state of a past day, and a version made again to the byte.

A replay is a real `attribution run` on a data folder that has nothing but the ledger up to that day.
"""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import parquet_files
from orchestration.lib.catalog import Catalog
from orchestration.lib.clean_rows import held_out_files
from orchestration.lib.encrypted_versions import same_in_clear
from orchestration.lib.ledger_metadata import file_metadata
from orchestration.lib.ledger_parts import day_of
from orchestration.lib.made_with import differences_from
from orchestration.lib.publish import decisive_settings
from orchestration.lib.recipe import Recipe, load_recipe, load_recipes
from orchestration.lib.retention import findings
from orchestration.lib.retention.ledger_texts import LOADED
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import file_sha256

# What belongs to the place and not to what is computed there.
OF_THE_PLACE = (
    *("FEEDBACK_DATA_DIR", "FEEDBACK_LANDING_URL", "FEEDBACK_LEDGER_URL", "FEEDBACK_DATASETS_URL"),
    *("FEEDBACK_WAREHOUSE", "FEEDBACK_PUBLISHED_DIR", "FEEDBACK_MODEL_REGISTRY", "FEEDBACK_RECIPES", "DAGSTER_HOME"),
    "FEEDBACK_RETENTION",
)


def replay(
    settings: Settings, as_of: date, into: Path, *, recipes: Path | None = None, tell: Callable[[str], None]
) -> int:
    """Builds in `into` what the platform knew at the end of a day; returns the exit code of its run.

    Raises StateError where the folder is not empty or the ledger has no such day.
    """
    if into.exists() and any(into.iterdir()):
        raise StateError(f"{into} is not empty; name a folder that is, so that nothing in it is taken for the past")
    linked = [_link_days(settings, stream, as_of, into) for stream in STREAMS]
    days = [day for of_stream in linked for day in of_stream]
    _link_findings(settings, as_of, into)
    if not days:
        raise StateError(f"the ledger has no day up to {as_of}; it begins where `attribution run` first loaded one")
    tell(f"replaying {min(days)} to {as_of} from {len(days)} ledger files into {into}")
    kept = {name: value for name, value in os.environ.items() if name not in OF_THE_PLACE}
    own = {"FEEDBACK_DATA_DIR": str(into), "FEEDBACK_RECIPES": str(recipes or settings.recipes)}
    if settings.model_registry.exists():
        own["FEEDBACK_MODEL_REGISTRY"] = str(settings.model_registry)
    arguments = ["run", "--from", min(days).isoformat(), "--to", as_of.isoformat()]
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments], env=kept | own, check=False
    ).returncode


def _link_days(settings: Settings, stream: Stream, as_of: date, into: Path) -> list[date]:
    """Puts the ledger's files of a stream up to a day into another data folder; they are never changed in place."""
    linked = []
    for path in file_metadata(settings, stream, ("ledger_version",)):
        day = day_of(path)
        if day <= as_of:
            source, target = Path(settings.ledger_url) / path, into / "ledger" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(source, target)
            if (metadata := parquet_files.beside(source)).exists():
                _link(metadata, parquet_files.beside(target))
            linked.append(day)
    return linked


def _link_findings(settings: Settings, as_of: date, into: Path) -> None:
    """The same for what was found of texts that the ledger has no more."""
    for path in findings.stored_paths(settings):
        of = findings.day_of(path)
        if of is None or of[1] <= as_of:
            source, target = Path(settings.ledger_url) / path, into / "ledger" / path
            target.parent.mkdir(parents=True)
            _link(source, target)
            if (metadata := parquet_files.beside(source)).exists():
                _link(metadata, parquet_files.beside(target))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@dataclass(frozen=True)
class Rebuilt:
    """What came of a rebuild: what is in its way, or each file and whether it is the same to the byte.

    `notes` are what is another here than it was then, and may explain bytes that are others.
    """

    problems: list[str]
    same: dict[str, bool]
    notes: list[str]

    @property
    def is_same(self) -> bool:
        return not self.problems and bool(self.same) and all(self.same.values())


def rebuild(
    settings: Settings, name: str, version: str, *, into: Path | None = None, tell: Callable[[str], None]
) -> Rebuilt:
    """Makes a published version again from the ledger and compares every file that its manifest lists with it.

    Of the version only the manifest has to be here. `into` keeps what is made; without, it is thrown away. Raises
    StateError for a version that has none.
    """
    manifest = Catalog(settings, name).published(version)
    notes = differences_from(manifest.get("made_with", {}))
    problems = [*_missing_from_ledger(settings, manifest), *_changed_since(settings, manifest)]
    if problems:
        return Rebuilt(problems, {}, notes)
    place = into or settings.data_dir / ".scratch" / f"rebuild-{uuid.uuid4().hex}"
    recipes = place.parent / f"{place.name}-recipes"
    recipes.mkdir(parents=True)
    try:
        _copy_recipe(settings.recipes, name, recipes)
        code = replay(settings, date.fromisoformat(manifest["partition"]), place, recipes=recipes, tell=tell)
        made = place / "datasets" / name / version
        if not (made / "manifest.json").exists():
            others = [path.name for path in (place / "datasets" / name).glob("*") if path.is_dir()]
            instead = f"the run (exit code {code}) made {', '.join(sorted(others)) or 'no version'} instead"
            return Rebuilt([instead], {}, notes)
        parent = json.loads((made / "manifest.json").read_text(encoding="utf-8"))["parent_version"]
        if parent != manifest["parent_version"]:
            notes.append(
                f"it followed {manifest['parent_version']}, which the ledger and this recipe do not make any more, and "
                f"follows {parent} now: delta, card and Croissant tell of that one; the data do not depend on it"
            )
        if "encryption" in manifest:
            there = Path(Catalog(settings, name).store.full(f"{name}/{version}"))
            return Rebuilt([], same_in_clear(settings, manifest, there, made), notes)
        return Rebuilt(
            [], {file["path"]: _is(made / file["path"], file["sha256"]) for file in manifest["files"]}, notes
        )
    finally:
        shutil.rmtree(recipes, ignore_errors=True)
        if into is None:
            shutil.rmtree(place, ignore_errors=True)


def _copy_recipe(folder: Path, name: str, into: Path) -> None:
    """The recipe with the held-out files that it names."""
    shutil.copy2(folder / f"{name}.yml", into)
    held_out = load_recipe(folder / f"{name}.yml").held_out
    for path, file in (held_out.paths() if held_out else {}).items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, into / path)


def _is(path: Path, sha256: str) -> bool:
    return path.exists() and file_sha256(path) == sha256


def _missing_from_ledger(settings: Settings, manifest: Mapping[str, Any]) -> list[str]:
    """The ledger files that the version rests on and that are not here as they were."""
    told = {
        f"ledger/{path}": of_file
        for stream in STREAMS
        for path, of_file in file_metadata(settings, stream, ("ledger_version", LOADED)).items()
    }
    here = {path: of_file["ledger_version"] for path, of_file in told.items()}
    loaded = {path: of_file[LOADED] for path, of_file in told.items() if LOADED in of_file}
    problems = []
    for file in manifest["ledger_files"]:
        if file["path"] not in here:
            problems.append(f"{file['path']} is missing; put it back, or land its files and run that day")
        elif loaded.get(file["path"]) == file.get(LOADED, file.get("ledger_version")) != here[file["path"]]:
            problems.append(f"{file['path']} has lost texts since, whose lifetime was over (retention)")
        elif "ledger_version" in file and here[file["path"]] != file["ledger_version"]:
            problems.append(
                f"{file['path']} is another than then: files landed later, or it was read by another schema"
            )
    known = {file["path"] for file in manifest["ledger_files"]}
    late = [
        path for path in here if path not in known and path.split("received_date=")[1][:10] <= manifest["partition"]
    ]
    return problems + [f"{path} was not there then; it was loaded later" for path in sorted(late)]


def _changed_since(settings: Settings, manifest: Mapping[str, Any]) -> list[str]:
    """What of recipe and settings is not as the manifest says."""
    name = manifest["name"]
    recipe = next((one for one in load_recipes(settings.recipes) if one.name == name), None)
    if recipe is None:
        return [f"there is no recipe {name} in {settings.recipes}; put it there, as the manifest tells it"]
    in_recipe = _others(recipe.to_dict(), manifest["recipe"], place=f"{name}.yml: ")
    in_settings = _others(decisive_settings(settings, recipe), manifest.get("settings", {}), place="")
    return [*in_recipe, *(_of_setting(sentence) for sentence in in_settings), *_other_held_out(recipe, manifest)]


def _other_held_out(recipe: Recipe, manifest: Mapping[str, Any]) -> list[str]:
    """The files of held-out texts that are not as they were."""
    now, then = (told.get("held_out_files", {}) for told in (held_out_files(recipe), manifest))
    return [
        f"held-out file {path} is another than then: sha256 {now.get(path)}, and was {then.get(path)}; put it back"
        for path in sorted(now.keys() | then.keys())
        if now.get(path) != then.get(path)
    ]


def _others(now: Mapping[str, Any], then: Mapping[str, Any], *, place: str) -> list[str]:
    """The fields that are not alike, those of a mapping one by one."""
    told = []
    for name in sorted(now.keys() | then.keys()):
        here, was = (json.loads(json.dumps(side.get(name))) for side in (now, then))
        if isinstance(here, dict) and isinstance(was, list):  # manifests named the columns without their meanings
            here = list(here)
        if here == was:
            if isinstance(here, dict) and list(here) != list(was):
                told.append(f"{place}{name} has another order than then: {', '.join(was)}; set it back for the rebuild")
            continue
        if isinstance(here, dict) and isinstance(was, dict):
            told += _others(here, was, place=f"{place}{name}.")
        else:
            told.append(f"{place}{name} is {here!r} and was {was!r} then; set it back for the rebuild")
    return told


def _of_setting(sentence: str) -> str:
    """A setting is named by its variable; of a file the manifest has the sha256."""
    name, rest = sentence.split(" ", 1)
    variable = f"FEEDBACK_{name.removesuffix('_sha256').upper()}"
    return f"{variable}: the file's sha256 {rest}" if name.endswith("_sha256") else f"{variable} {rest}"
