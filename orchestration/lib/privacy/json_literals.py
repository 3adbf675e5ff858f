"""The literals of a landed line: where they stand, what they say, and how another is written in their place.

It walks a line that is no JSON as well, as far as that has literals.
"""

import json
import re
from collections.abc import Iterator

Path = tuple[str, ...]
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\]]|(?<![\w.+-])\d+(?![\w.])', re.DOTALL)
_LONE = re.compile("[\ud800-\udfff]")
_BEFORE_VALUE = re.compile(r"\s*:\s*")
CUT = "…"
_COLON = re.compile(r"\s*:")


def literals(text: str) -> Iterator[tuple[list[str], str, int, int, bool]]:
    """The string and whole number literals of a line: keys, literal, start, end, and whether it is a key itself.

    The keys are those that lead to it, outermost first; the list is the walk's own and changes as that goes on.
    """
    containers: list[bool] = []  # whether an object
    keys: list[str] = []
    for token in _TOKEN.finditer(text):
        literal = token[0]
        if literal == "{":
            containers.append(True)
            keys.append("")
        elif literal == "[":
            containers.append(False)
        elif literal in "}]":
            if containers and containers.pop():
                keys.pop()
        else:
            end = token.end()
            is_key = literal[0] == '"' and (text[end : end + 1] == ":" or _COLON.match(text, end) is not None)
            if is_key:
                if not keys:  # a line that begins in the middle
                    keys.append("")
                    containers.append(True)
                keys[-1] = literal[1:-1] if "\\" not in literal else decoded(literal)[0]
            yield keys, literal, token.start(), end, is_key


def shortened(text: str, characters: int | None) -> str:
    """A text of no more characters than a policy stores, with a sign that there were more."""
    return text if characters is None or len(text) <= characters else f"{text[:characters]}{CUT}"


def without_logprobs(text: str) -> str:
    """A line of JSON with null for the log probabilities of its output, and of what is in it."""
    parts, at = [], 0
    for keys, literal, start, end, is_key in literals(text):
        if is_key and literal == '"logprobs"' and keys[0] == "output" and start >= at:
            value = _BEFORE_VALUE.match(text, end)
            assert value is not None, "a key of a line of JSON has a value"
            _, after = json.JSONDecoder().raw_decode(text, value.end())
            parts += [text[at : value.end()], "null"]
            at = after
    return "".join([*parts, text[at:]])


def path_of(keys: list[str], envelope: str | None) -> Path:
    """Where a literal stands, counted from the envelope if it is in one."""
    return tuple(keys[1:] if len(keys) > 1 and keys[0] == envelope else keys)


def decoded(literal: str) -> tuple[str, bool]:
    """What a string literal says, and whether it could be read; one that breaks off is taken as it stands."""
    body = literal[1:-1] if len(literal) > 1 and literal[-1] == '"' else literal[1:]
    if "\\" not in body:
        return body, True
    try:
        return str(json.loads(f'"{body}"', strict=False)), True
    except ValueError:
        return body, False


def encoded(text: str, literal: str, *, is_whole: bool = True) -> str:
    """A string literal that says a text, written as the one in its place was: closed or not, ASCII or not."""
    end = '"' if len(literal) > 1 and literal[-1] == '"' else ""
    if not is_whole:
        return f'"{text}{end}'
    is_escaped = _LONE.search(text) is not None and _LONE.search(literal) is None
    body = json.dumps(text, ensure_ascii=is_escaped or ("\\u" in literal and literal.isascii()))[1:-1]
    return f'"{body}{end}'
