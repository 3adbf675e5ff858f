"""OpenAI's format for direct preference optimization: a prompt with the answer to prefer and the one not to.

The columns are those that TRL's DPOTrainer takes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from orchestration.formats.base import DataFiles, Format, Written
from orchestration.formats.chat import (
    check_messages,
    has_blank,
    has_tool,
    has_unknown_role,
    is_empty,
    last_is_assistant,
    plain,
    write_lines,
)

_COLUMNS = ("prompt", "chosen", "rejected")


def _write(
    connection: duckdb.DuckDBPyConnection, data_files: DataFiles, types: Mapping[str, str], folder: Path
) -> Written:
    for column in _COLUMNS:
        check_messages(connection, "openai_preference", column, types)
    return write_lines(
        connection,
        data_files,
        line={
            "input": f"{{'messages': {plain('prompt')}, 'tools': [], 'parallel_tool_calls': true}}",
            "preferred_output": plain("chosen"),
            "non_preferred_output": plain("rejected"),
        },
        reasons={
            "no_prompt": is_empty("prompt"),
            "no_answer": f"{is_empty('chosen')} or {is_empty('rejected')}",
            "tool_message": _any(has_tool),
            "unknown_role": _any(has_unknown_role),
            "empty_content": _any(has_blank),
            # The API compares two single answers: a longer output is a conversation of which the prompt is a part.
            "not_one_assistant_message": " or ".join(
                f"len({side}) <> 1 or not {last_is_assistant(side)}" for side in ("chosen", "rejected")
            ),
        },
        target="openai_preference/{split}.jsonl",
        folder=folder,
    )


def _any(has: Callable[[str], str]) -> str:
    return " or ".join(has(column) for column in _COLUMNS)


FORMAT = Format(needs=_COLUMNS, write=_write)
