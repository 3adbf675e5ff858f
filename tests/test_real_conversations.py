"""RealHumanEval's chats and ExpertQA's systems as landed traffic: conversations and corrections of real people.

None of us wrote them. RealHumanEval logs, with each request, the messages that the model was given: the conversation
that the platform puts together from single, late and shuffled lines must be those messages, word for word. ExpertQA's
documentation counts the answers of each system, and the ratings and rewritten answers that experts gave.
"""

import ast
import csv
import gzip
import json
import os
import random
import re
import unicodedata
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.platform_under_test import Platform
from tests.traffic import land

REAL = Path(os.environ.get("FEEDBACK_REAL_DATA", ""))
FOLDERS = ("02_realhumaneval_chat", "05_expertqa")
DAYS = (date(2024, 5, 1), date(2024, 5, 2))
START = datetime(2024, 5, 1, 8, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not (os.environ.get("FEEDBACK_REAL_DATA") and all((REAL / folder).is_dir() for folder in FOLDERS)),
    reason=f"FEEDBACK_REAL_DATA does not name a folder with {' and '.join(FOLDERS)}",
)

Event = dict[str, Any]


def realhumaneval() -> tuple[list[Event], list[Event]]:
    """Requests and copies of code. A request that does not go on with its programmer's last one starts a session."""
    csv.field_size_limit(10**8)
    with gzip.open(REAL / FOLDERS[0] / "chat_data.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(enumerate(csv.DictReader(file)))
    inferences: list[Event] = []
    feedback: list[Event] = []
    chats: Counter[str] = Counter()
    rows.sort(key=lambda row: (row[1]["programmer_id"], float(row[1]["timestamp"]), row[0]))
    for number, row in rows:
        messages = ast.literal_eval(row["request"])
        turn = sum(message["role"] == "assistant" for message in messages)
        who = row["programmer_id"]
        chats[who] += turn == 0
        at = START + timedelta(seconds=float(row["timestamp"]))
        request = {"request_id": f"rhe-{number}", "user_id": f"p{who}"}
        inferences.append({
            **request, "session_id": f"p{who}-{chats[who]}", "turn": turn, "timestamp": at.isoformat(),
            "model_version": row["model"], "input": {"messages": messages}, "output": {"text": row["response"]},
        })  # fmt: skip
        for n, copied in enumerate(ast.literal_eval(row["copy_events"])):
            given = (at + timedelta(seconds=20 + 5 * n)).isoformat()
            said = {"feedback_id": f"copy-{number}-{n}", "signal": copied["type"], "timestamp": given}
            feedback.append({**request, **said, "source": "user"})
    return inferences, feedback


def expertqa() -> tuple[list[Event], list[Event]]:
    """Answers of six systems; how useful an expert found each, and what it should have been."""
    inferences: list[Event] = []
    feedback: list[Event] = []
    stars = {"Useful": 3, "Partially useful": 2, "Not useful at all": 1}
    with gzip.open(REAL / FOLDERS[1] / "rand_val.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, row in enumerate(map(json.loads, file)):
            ((system, answer),) = row["answers"].items()
            at = START + timedelta(minutes=number)
            request = {"request_id": f"eqa-{number}"}
            said = {**request, "user_id": row["annotator_id"], "source": "annotator"}
            inferences.append({
                **request, "timestamp": at.isoformat(), "model_version": system, "variant": system,
                "input": {"prompt": row["question"]}, "output": {"text": answer["answer_string"]},
            })  # fmt: skip
            given = [(at + timedelta(minutes=m)).isoformat() for m in (10, 15)]
            rating = {"rating": stars[answer["usefulness"]], "rating_max": 3, "timestamp": given[0]}
            feedback.append({"feedback_id": f"use-{number}", **said, **rating})
            revised = {"corrected_output": answer["revised_answer_string"], "timestamp": given[1]}
            feedback.append({"feedback_id": f"rev-{number}", **said, **revised})
    return inferences, feedback


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Both logs, shuffled; every third inference is received a day after its feedback."""
    # Some of the answers are programs with a password in them: what is masked is for other tests.
    policy = tmp_path_factory.mktemp("policy") / "privacy.yml"
    policy.write_text("streams: {inferences: {masking: {all: keep}}, feedback: {masking: {all: keep}}}\n")
    platform = Platform(tmp_path_factory.mktemp("real"), {"FEEDBACK_PRIVACY": str(policy)})
    order = random.Random(7)
    inferences, feedback = (a + b for a, b in zip(realhumaneval(), expertqa(), strict=True))
    order.shuffle(inferences)
    order.shuffle(feedback)
    late = inferences[::3]
    for day, events in ((DAYS[0], [e for e in inferences if e not in late]), (DAYS[1], late)):
        land(platform.data_dir, "inferences", day, [json.dumps(event) for event in events])
    land(platform.data_dir, "feedback", DAYS[0], [json.dumps(event) for event in feedback])
    land(platform.data_dir, "feedback", DAYS[1], [])
    assert platform.run(*DAYS) == 0
    return platform


def test_the_conversation_is_what_the_model_was_given(platform: Platform) -> None:
    rows = platform.query(
        "from marts.feedback_conversation where feedback_id like 'copy-%' order by feedback_id, position"
    )
    given = {event["request_id"]: event["input"]["messages"] for event in realhumaneval()[0]}
    conversations: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        conversations.setdefault(row["feedback_id"], []).append(row)
    assert len(conversations) > 300
    assert Counter(len(turns) > 1 for turns in conversations.values())[True] > 100
    for turns in conversations.values():
        assert [row["is_answer"] for row in turns] == [False] * (len(turns) - 1) + [True]
        messages = given[turns[-1]["request_id"]]
        answers = [message["content"] for message in messages if message["role"] == "assistant"]
        assert [row["output_text"] for row in turns[:-1]] == answers
        assert not any(row["missing_turns_before"] for row in turns)


def test_before_the_late_lines_arrive_the_gaps_are_told(platform: Platform) -> None:
    """As of the first day a third of the turns has not been received: known and missing ones make up the turn."""
    rows = platform.query(
        f"""
        select feedback_id, count(*) as known, sum(missing_turns_before) as missing, max(turn) as last
        from marts.feedback_conversation_as_of('{DAYS[0]}')
        where feedback_id like 'copy-%' group by feedback_id
        """
    )
    assert sum(row["missing"] for row in rows) > 20
    for row in rows:
        assert row["known"] + row["missing"] == row["last"] + 1


def test_each_system_has_the_judgements_that_the_documentation_counts(platform: Platform) -> None:
    rows = platform.query(
        """
        select model_version, count(*) filter (where rating is not null) as ratings,
            count(*) filter (where corrected_output is not null) as corrections
        from marts.attributed_feedback where request_id like 'eqa-%' group by model_version
        union all
        select model_version, count(*) filter (where rating is not null),
            count(*) filter (where corrected_output is not null)
        from marts.feedback_under_review where request_id like 'eqa-%' group by model_version
        """
    )
    systems = {
        "bing_chat": 49, "post_hoc_gs_gpt4": 45, "rr_gs_gpt4": 41, "post_hoc_sphere_gpt4": 40, "rr_sphere_gpt4": 25,
        "gpt4": 17,
    }  # fmt: skip
    for kind in ("ratings", "corrections"):
        found: Counter[str] = Counter()
        for row in rows:
            found[row["model_version"]] += row[kind]
        assert found == systems, kind


def test_a_rewritten_answer_is_with_the_answer_that_it_corrects(platform: Platform) -> None:
    """106 of 217 differ once spaces are normalized; the others change nothing and a rule holds them for review."""
    pairs = platform.query(
        "select request_id, corrected_output, output_text from marts.attributed_feedback "
        "where request_id like 'eqa-%' and corrected_output is not null"
    )
    asked = {event["request_id"]: event["output"]["text"] for event in expertqa()[0]}
    assert all(row["output_text"] == asked[row["request_id"]] for row in pairs)
    held = platform.query(
        "select corrected_output, output_text from marts.feedback_under_review "
        "where request_id like 'eqa-%' and corrected_output is not null"
    )
    assert sum(row["corrected_output"].split() != row["output_text"].split() for row in pairs) == 106
    assert not any(row["corrected_output"].split() != row["output_text"].split() for row in held)


def test_experts_rewrites_are_what_is_trained_on(platform: Platform) -> None:
    """Every rewrite that was not held back ends its conversation; those that say something else are preferred.

    An expert who wiped the answer out taught no other one.
    """
    said = {event["feedback_id"]: event for event in expertqa()[1] if event.get("corrected_output", "").strip()}
    asked = {event["request_id"]: event for event in expertqa()[0]}
    status = platform.query("select feedback_id from marts.feedback_status where state = 'attributed'")
    held = said.keys() - {row["feedback_id"] for row in status}
    sft = platform.latest_rows("sft")
    rewritten = {row["feedback_id"]: row["messages"] for row in sft if row["kind"] == "correction"}
    expected = {}
    for name in said.keys() - held:
        question = asked[said[name]["request_id"]]["input"]["prompt"]
        answers = (
            {"role": "user", "content": question},
            {"role": "assistant", "content": said[name]["corrected_output"]},
        )
        expected[name] = list(answers)
    assert {name: messages for name, messages in rewritten.items() if name in said} == expected
    pairs = {
        row["feedback_id"]: (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in platform.latest_rows("preference") if row["kind"] == "correction"
    }  # fmt: skip
    different = {
        name for name in said.keys() - held
        if differ(said[name]["corrected_output"], asked[said[name]["request_id"]]["output"]["text"])
    }  # fmt: skip
    assert {name for name in pairs if name in said} == different
    assert 100 < len(different) < len(said)


def differ(one: str, other: str) -> bool:
    """Whether more than spaces differs; where lines are indented, as in code, more than those at line ends."""
    texts = [unicodedata.normalize("NFC", text) for text in (one, other)]
    if any(re.search(r"\n[ \t]", text) for text in texts):
        return len({"\n".join(line.rstrip(" \t\r") for line in text.split("\n")).strip() for text in texts}) == 2
    return len({" ".join(text.split()) for text in texts}) == 2
