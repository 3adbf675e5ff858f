"""The contract's fields that are no text: ids on which the platform joins, words of a list, times, numbers.

Nothing is masked in them for looking like a number: a session may well be called 4111111111111111. What can not be
mistaken (an e-mail address, a secret, a telephone number that is all of the value) is hashed there, whatever the policy
says: the same value is the same hash in every stream, so that it still joins.
"""

from collections.abc import Iterator

from orchestration.contracts.fields import Kind, Stream

# What somebody may write into, by the contract's name. All other strings of the contract are ids and words.
_TEXTS = frozenset({"corrected_output", "comment", "label", "note", "reason"})
_NO_TEXT = (Kind.STRING, Kind.TIMESTAMP, Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN)
# Ids and words within fields that hold text.
_WITHIN = (
    ("target", "id"),
    ("target", "kind"),
    ("input", "messages", "role"),
    *(("input", "retrieved", name) for name in ("chunk_id", "document_id", "index_version")),
    ("output", "finish_reason"),
    *(("components", name) for name in ("name", "kind", "model_version")),
    ("system", "hardware"),
    ("system", "region"),
)


def untouched_paths(stream: Stream) -> frozenset[tuple[str, ...]]:
    """The paths of a stream's ids and words, of all versions, without its envelope."""
    return frozenset((*_top(stream), *_WITHIN))


def _top(stream: Stream) -> Iterator[tuple[str, ...]]:
    for f in stream.fields:
        if f.kind in _NO_TEXT and f.name not in _TEXTS and f.name != "user_id":
            yield from ((name,) for name in (f.name, *f.aliases))
        for p in f.properties:
            if p.kind in (Kind.NUMBER, Kind.INTEGER):
                yield f.name, p.name
