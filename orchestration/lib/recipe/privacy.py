"""Privacy classes: what a recipe promises not to hold, checked against each of its columns when it is loaded.

A column's name and type say what it may hold. Text that nobody vouches for is taken for what somebody wrote: a new
column, or a field within a struct, has to be listed here before a promise lets it in.
"""

from collections.abc import Iterator, Mapping

from duckdb.sqltypes import DuckDBPyType

from orchestration.formats.column_types import NUMBERS, element_of, fields_of
from orchestration.lib.recipe.errors import RecipeError
from orchestration.lib.recipe.expressions import Expression

PERSONAL, PSEUDONYMOUS, DEIDENTIFIED = "personal", "pseudonymous", "deidentified"
TEXT, PERSON = "text", "person"
# Class to what none of its columns holds. The ids by which each row is traced are in every class.
_RULES_OUT: dict[str, tuple[str, ...]] = {
    PERSONAL: (),
    PSEUDONYMOUS: (TEXT,),
    DEIDENTIFIED: (TEXT, PERSON),
}
PROMISES = {
    PERSONAL: "It may hold what users wrote and who they are.",
    PSEUDONYMOUS: "It holds no text that somebody wrote; who wrote is told by ids.",
    DEIDENTIFIED: (
        "It holds neither text that somebody wrote nor the id of a user or session. Who has the ledger can still tell "
        "by `request_id` whose a row is, so it is not anonymous."
    ),
}
_PERSONS = {"user_id", "feedback_user_id", "session_id"}
# Ids of events and things.
_IDS = {
    *("feedback_id", "other_feedback_id", "request_id", "rejected_request_id", "chosen_request_id", "retracts"),
    *("target_id", "chunk_id", "document_id", "index_version"),
}
# Words of this platform, and names that producers gave to their own parts.
_WORDS = {
    *("feedback_type", "thumbs", "signal", "source", "surface", "locale", "client_name", "client_release"),
    *("target_kind", "matched_by", "method", "outcome", "judged_by", "labelled_by", "kind", "reason"),
    *("component", "feature"),
    *("model_name", "model_version", "provider_name", "request_model", "reasoning_effort", "inference_source"),
    *("variant", "endpoint", "slot", "action", "feedback_source_file", "inference_source_file"),
}
_NO_TEXT = NUMBERS | {"boolean", "date", "time", "interval"}


def parse_privacy(file: str, given: str) -> str:
    """The recipe's `privacy`. Raises RecipeError."""
    if given not in _RULES_OUT:
        raise RecipeError(
            f"{file}: privacy is {given!r}; write one of {', '.join(_RULES_OUT)} "
            "(none is anonymous: each row has its request_id)"
        )
    return given


def holds(column: str, kind: DuckDBPyType) -> set[str]:
    """What a column of this name and type may hold: TEXT that somebody wrote, the id of a PERSON."""
    found = set()
    for name, of in _leaves(column, kind):
        if name in _PERSONS:
            found.add(PERSON)
        elif not _is_no_text(of) and name not in _IDS | _WORDS:
            found.add(TEXT)
    return found


def _leaves(name: str, kind: DuckDBPyType) -> Iterator[tuple[str, DuckDBPyType]]:
    """The values that a column is made of, each by the name that stands nearest to it."""
    if element := element_of(kind):
        yield from _leaves(name, element)
    elif fields := fields_of(kind):
        for field, of in fields.items():
            yield from _leaves(field, of)
    else:
        yield name, kind


def _is_no_text(kind: DuckDBPyType) -> bool:
    return kind.id in _NO_TEXT or kind.id.startswith("timestamp")


def check_privacy(
    file: str,
    privacy: str,
    *,
    published: Mapping[str, Expression],
    source: Mapping[str, DuckDBPyType],
) -> None:
    """Whether the recipe's columns keep its promise. Raises RecipeError for the first that does not."""
    words = {TEXT: "text that somebody may have written", PERSON: "who a user is"}
    for column, expression in published.items():
        for name in sorted(expression.columns):
            for what in sorted(holds(name, source[name]).intersection(_RULES_OUT[privacy])):
                if _may_come_through(what, expression.kind):
                    raise RecipeError(
                        f"{file}: columns.{column} holds {words[what]} ({name}), which privacy: {privacy} rules out; "
                        f"leave it out, or tell less, e.g. {{value: {name} is not null, meaning: …}}"
                    )


def _may_come_through(what: str, kind: DuckDBPyType) -> bool:
    """Whether a value of this type may hold it: a number is no text, but the hash of an id is an id."""
    return not _is_no_text(kind) if what == TEXT else kind.id != "boolean"
