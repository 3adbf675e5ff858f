"""Near texts among those that people and systems wrote: RealHumanEval's chats and MLQE's sentences.

The failure that this prevents: what holds of drawn words does not of code, typing errors and boilerplate.
"""

import ast
import csv
import gzip
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.lib.similarity.near import NONE
from tests.test_similarity import asked, oracle

REAL = Path(os.environ.get("FEEDBACK_REAL_DATA", ""))
CHATS = REAL / "02_realhumaneval_chat" / "chat_data.csv.gz"
SENTENCES = REAL / "04_mlqe_pe_en_de" / "post-editing.en-de-dev.tar.gz"

pytestmark = pytest.mark.skipif(
    not (os.environ.get("FEEDBACK_REAL_DATA") and CHATS.is_file() and SENTENCES.is_file()),
    reason="FEEDBACK_REAL_DATA does not name a folder with 02_realhumaneval_chat and 04_mlqe_pe_en_de",
)


def prompts() -> list[str]:
    csv.field_size_limit(10**8)
    with gzip.open(CHATS, "rt", encoding="utf-8") as file:
        asked_for = [ast.literal_eval(row["request"]) for row in csv.DictReader(file)]
    return [messages[-1]["content"].lower() for messages in asked_for if messages]


def sentences() -> list[str]:
    """Each sentence as it was translated, and as a person mended it: pairs of which many are near."""
    with tarfile.open(SENTENCES) as archive:
        read = [archive.extractfile(f"en-de-dev/dev.{kind}") for kind in ("mt", "pe")]
        return [line.decode().strip().lower() for file in read if file for line in file]


@pytest.mark.parametrize("texts", [prompts, sentences])
def test_what_people_wrote_is_decided_as_comparing_every_pair_does(texts: Callable[[], list[str]]) -> None:
    written = texts()
    found = asked(written, similarity=0.7, batch=500)
    expected = oracle(written, None, similarity=0.7, size=3)
    assert [one == NONE for one in found] == [one == NONE for one in expected]
    assert 30 < sum(one != NONE for one in found) < len(written) / 2
