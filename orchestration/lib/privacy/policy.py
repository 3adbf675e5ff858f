"""What is done about personal data, by stream and field: the file `privacy.yml`, read strictly.

    user_id_fields: [user_id, userId, user.id]     # whose values are user ids, beside those that the contract names
    names: spacy:en_core_web_lg                    # the model that finds names and places; none without
    streams:
      inferences:
        masking: {all: mask, ip: keep}             # kind: mask | hash | drop | keep
        fields:
          input.features: {all: keep}              # the same for one field and what is in it
        text: full                                 # full | truncated(N): N characters of each text
                                                   # | sampled(P): those of a share, once no feedback can come
                                                   # | hashed: inputs are put elsewhere, once no feedback can come
        logprobs: keep                             # keep | drop

What is left out is masked, in full and kept.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.privacy.recognizers import Kind
from orchestration.lib.yaml_files import load_mapping

USER_ID_FIELDS = ("user_id", "userId", "user.id")
_STREAM_KEYS = ("masking", "fields", "text", "logprobs")
_TEXT = re.compile(r"full|truncated\(([1-9]\d*)\)|sampled\((0|0?\.\d+)\)|(hashed)")


class PolicyError(ValueError):
    """The privacy policy can not be used; the message names file, field and cure."""


class Action(StrEnum):
    """What happens to a kind of personal data in a field."""

    MASK = "mask"
    HASH = "hash"
    DROP = "drop"
    KEEP = "keep"


@dataclass(frozen=True)
class FieldPolicy:
    """The action for each kind; `rest` for the kinds that are not named."""

    rest: Action = Action.MASK
    actions: Mapping[Kind, Action] = field(default_factory=dict)

    def action(self, kind: Kind) -> Action:
        return self.actions.get(kind, self.rest)

    @property
    def keeps_all(self) -> bool:
        return all(self.action(kind) is Action.KEEP for kind in Kind)


@dataclass(frozen=True)
class StreamPolicy:
    """One stream's policy. `fields` are paths from the top of the event, the envelope left out.

    `text_share` is how much of what got no feedback keeps its texts in the end (lib/retention/due.py); with
    `hashes_input` only inputs go, and to another place.
    """

    masking: FieldPolicy = FieldPolicy()
    fields: Mapping[tuple[str, ...], FieldPolicy] = field(default_factory=dict)
    text_characters: int | None = None
    keeps_logprobs: bool = True
    text_share: float | None = None
    hashes_input: bool = False

    @property
    def text_in_the_end(self) -> str | None:
        """What is left of the texts of what got no feedback, as the file has it."""
        if self.text_share is None:
            return None
        return "hashed" if self.hashes_input else f"sampled({self.text_share:g})"

    def of(self, path: Sequence[str]) -> FieldPolicy:
        """The policy of the field at a path: that of the longest path named that leads to it."""
        for length in range(len(path), 0, -1):
            if (named := self.fields.get(tuple(path[:length]))) is not None:
                return named
        return self.masking

    @property
    def masks_nothing(self) -> bool:
        return self.masking.keeps_all and all(one.keeps_all for one in self.fields.values())


@dataclass(frozen=True)
class PrivacyPolicy:
    """The whole file."""

    streams: Mapping[str, StreamPolicy]
    user_id_fields: tuple[tuple[str, ...], ...]
    names: str | None
    digest: str

    def of(self, stream: str) -> StreamPolicy:
        return self.streams.get(stream, StreamPolicy())


def load_policy(path: Path) -> PrivacyPolicy:
    """Reads the file. Raises PolicyError."""
    given = load_mapping(
        path, error=PolicyError, named_by="FEEDBACK_PRIVACY names it", holds="streams, user_id_fields and names"
    )
    _refuse_unknown(path, "", given, ("user_id_fields", "names", "streams"))
    streams = _mapping(path, "streams", given.get("streams"))
    _refuse_unknown(path, "streams", streams, tuple(stream.name for stream in STREAMS))
    return PrivacyPolicy(
        streams={name: _stream(path, f"streams.{name}", of) for name, of in streams.items()},
        user_id_fields=tuple(tuple(name.split(".")) for name in (*USER_ID_FIELDS, *_names(path, given))),
        names=_model(path, given.get("names")),
        digest=hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()[:16],
    )


def _stream(path: Path, where: str, given: Any) -> StreamPolicy:
    stream = _mapping(path, where, given)
    _refuse_unknown(path, where, stream, _STREAM_KEYS)
    masking = _masking(path, f"{where}.masking", stream.get("masking"), FieldPolicy())
    fields = _mapping(path, f"{where}.fields", stream.get("fields"))
    text, logprobs = stream.get("text", "full"), stream.get("logprobs", "keep")
    if not isinstance(text, str) or not (of_text := _TEXT.fullmatch(text)):
        raise PolicyError(
            f"{path}: {where}.text is {text!r}; write full, hashed, truncated(N) or sampled(P), e.g. truncated(500) "
            "or sampled(0.1)"
        )
    if (of_text[2] or of_text[3]) and where != "streams.inferences":
        raise PolicyError(f"{path}: {where}.text is {text!r}; it is for inferences, which get feedback; write full")
    if logprobs not in ("keep", "drop"):
        raise PolicyError(f"{path}: {where}.logprobs is {logprobs!r}; write keep or drop")
    return StreamPolicy(
        masking=masking,
        fields={
            tuple(str(name).split(".")): _masking(path, f"{where}.fields.{name}", of, masking)
            for name, of in fields.items()
        },
        text_characters=int(of_text[1]) if of_text[1] else None,
        keeps_logprobs=logprobs == "keep",
        text_share=0.0 if of_text[3] else float(of_text[2]) if of_text[2] else None,
        hashes_input=bool(of_text[3]),
    )


def _masking(path: Path, where: str, given: Any, before: FieldPolicy) -> FieldPolicy:
    """The actions that are named, and those of the stream for the rest."""
    named = _mapping(path, where, given)
    _refuse_unknown(path, where, named, ("all", *Kind))
    for kind, action in named.items():
        if action not in list(Action):
            raise PolicyError(f"{path}: {where}.{kind} is {action!r}; write one of {', '.join(Action)}")
    actions = {Kind(kind): Action(action) for kind, action in named.items() if kind != "all"}
    if "all" in named:
        return FieldPolicy(Action(named["all"]), actions)
    return FieldPolicy(before.rest, {**before.actions, **actions})


def _names(path: Path, given: Mapping[str, Any]) -> list[str]:
    names = given.get("user_id_fields") or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise PolicyError(f"{path}: user_id_fields must be a list of field names, e.g. [customer_id, account.id]")
    return [name for name in names if name not in USER_ID_FIELDS]


def _model(path: Path, given: Any) -> str | None:
    if given in (None, "none"):
        return None
    if not isinstance(given, str) or not re.fullmatch(r"(?:spacy|gliner):\S+", given):
        raise PolicyError(f"{path}: names is {given!r}; write none, spacy:<model> or gliner:<model or its folder>")
    return given


def _mapping(path: Path, where: str, given: Any) -> dict[Any, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise PolicyError(f"{path}: {where} must be a mapping, found {type(given).__name__}")
    return given


def _refuse_unknown(path: Path, where: str, given: Mapping[Any, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            place = f"{where}.{name}" if where else str(name)
            raise PolicyError(f"{path}: {place} is not known; known are {', '.join(known)}")
