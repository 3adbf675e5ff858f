"""OpenAI's format for supervised fine-tuning: one conversation a line, which ends with the answer to learn.

`weight` stays out: the API knows 0 and 1 only, which a column `sample_weight` is not.
"""

from collections.abc import Mapping
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


def _write(
    connection: duckdb.DuckDBPyConnection, data_files: DataFiles, types: Mapping[str, str], folder: Path
) -> Written:
    check_messages(connection, "openai_sft", "messages", types)
    return write_lines(
        connection,
        data_files,
        line={"messages": plain("messages")},
        reasons={
            "no_messages": is_empty("messages"),
            "tool_message": has_tool("messages"),
            "unknown_role": has_unknown_role("messages"),
            "empty_content": has_blank("messages"),
            # The last being one, there is one.
            "last_message_not_assistant": f"not {last_is_assistant('messages')}",
        },
        target="openai/{split}.jsonl",
        folder=folder,
    )


FORMAT = Format(needs=("messages",), write=_write)
