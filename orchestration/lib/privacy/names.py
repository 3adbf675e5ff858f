"""Names and places, by a model that the user installs: spaCy or GLiNER, switched on by `names` in the policy.

Without one nothing is loaded here. The model sees every text, so loading takes as long as the model does.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from orchestration.lib.privacy.recognizers import Found, Kind
from orchestration.lib.privacy.text_masker import Model

_SPACY = {"PERSON": Kind.NAME, "PER": Kind.NAME, "GPE": Kind.PLACE, "LOC": Kind.PLACE, "FAC": Kind.PLACE}
_GLINER = {"person": Kind.NAME, "location": Kind.PLACE, "address": Kind.PLACE}
GLINER_THRESHOLD = 0.5


class ModelError(RuntimeError):
    """The model of the policy can not be loaded; the message says how to get it."""


@cache
def load_model(given: str | None) -> Model | None:
    """The model that a policy names as `spacy:<model>` or `gliner:<model>`, loaded once in a process.

    It takes seconds, and each partition of each stream asks for it. Raises ModelError.
    """
    if given is None:
        return None
    library, _, name = given.partition(":")
    try:
        return _spacy(name) if library == "spacy" else _gliner(name)
    except ImportError:
        raise ModelError(f"names: {given} needs {library}, which is not installed; `pip install {library}`") from None
    except OSError:
        raise ModelError(
            f"names: {given} is no model that {library} finds here; install it, or name the folder that it is in"
        ) from None


def _spacy(name: str) -> Model:
    pipeline: Any = import_module("spacy").load(name, exclude=["lemmatizer", "attribute_ruler"])

    def find(text: str) -> Iterator[Found]:
        for entity in pipeline(text).ents:
            if entity.label_ in _SPACY:
                yield Found(entity.start_char, entity.end_char, _SPACY[entity.label_])

    return find


def _gliner(name: str) -> Model:
    model: Any = import_module("gliner").GLiNER.from_pretrained(name)

    def find(text: str) -> Iterator[Found]:
        for entity in model.predict_entities(text, list(_GLINER), threshold=GLINER_THRESHOLD):
            yield Found(entity["start"], entity["end"], _GLINER[entity["label"]])

    return find
