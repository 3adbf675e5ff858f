"""Texts that no row may be near, such as those of an evaluation: their files, and what is done about such a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from orchestration.lib.recipe.errors import RecipeError
from orchestration.lib.recipe.near_duplicates import (
    DEFAULT_SHINGLE,
    DEFAULT_SIMILARITY,
    column_names,
    shingle_of,
    similarity_of,
)

LEAVE_OUT, FAIL = "leave_out", "fail"
SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz")
_FIELDS = {"files", "of", "against", "similarity", "shingle", "action"}


@dataclass(frozen=True)
class HeldOut:
    """Texts of the column `of` in `files`, which the recipe's columns `against` are compared with.

    `files` are paths or globs below `folder`, the recipes'.
    """

    files: tuple[str, ...]
    of: str
    against: tuple[str, ...]
    similarity: float = DEFAULT_SIMILARITY
    shingle: int = DEFAULT_SHINGLE
    action: str = LEAVE_OUT
    folder: Path = field(default=Path(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Without the folder, which belongs to the place."""
        own = {**vars(self), "files": list(self.files), "against": list(self.against)}
        return {name: value for name, value in own.items() if name != "folder"}

    def paths(self) -> dict[str, Path]:
        """Each file by its path below the recipes' folder. Raises RecipeError for one that is not there."""
        found: dict[str, Path] = {}
        for pattern in self.files:
            matching = [path for path in self.folder.glob(pattern) if path.name.endswith(SUFFIXES) and path.is_file()]
            if not matching:
                raise RecipeError(
                    f"held_out.files: there is no file {pattern} ({', '.join(SUFFIXES)}) below {self.folder}; "
                    "put it there, or a link to it"
                )
            found |= {path.relative_to(self.folder).as_posix(): path for path in matching}
        return dict(sorted(found.items()))


def parse_held_out(file: str, given: Mapping[str, Any]) -> HeldOut:
    """The recipe's `held_out`, in no folder yet. Raises RecipeError."""
    named = f"{file}: held_out"
    if not given.keys() <= _FIELDS or not {"files", "of", "against"} <= given.keys():
        raise RecipeError(
            f"{named} must say `files`, `of` (their column) and `against` (columns of the recipe), and may say "
            f"`similarity`, `shingle` and `action`, not {given!r}"
        )
    action = given.get("action", LEAVE_OUT)
    if action not in (LEAVE_OUT, FAIL):
        raise RecipeError(f"{named}.action is {action!r}; write {LEAVE_OUT}, or {FAIL} to publish nothing then")
    if not isinstance(given["of"], str):
        raise RecipeError(f"{named}.of is {given['of']!r}; write the column of the files that has the texts")
    return HeldOut(
        files=_patterns(f"{named}.files", given["files"]),
        of=given["of"],
        against=column_names(f"{named}.against", given["against"]),
        similarity=similarity_of(named, given),
        shingle=shingle_of(named, given),
        action=action,
    )


def _patterns(named: str, given: Any) -> tuple[str, ...]:
    patterns = column_names(named, given)
    for pattern in patterns:
        path = PurePosixPath(pattern)
        # A rebuild on another machine finds them by the same path.
        if path.is_absolute() or ".." in path.parts or not pattern:
            raise RecipeError(f"{named}: {pattern!r} is not below the recipes; put the file there, or a link to it")
    return patterns
