"""Personal data in landed lines is masked before the ledger has it, and nothing else in the line changes."""

import gzip
import json
import os
import random
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.labelled_texts import HARD, MAKE, judged, labelled
from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.lib.ledger import load_partition
from orchestration.lib.ledger_metadata import ledger_metadata
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.privacy.lines import LineRewriter
from orchestration.lib.privacy.placeholders import Placeholders
from orchestration.lib.privacy.policy import FieldPolicy, PolicyError, load_policy
from orchestration.lib.privacy.prefilter import hints_of
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.privacy.recognizers import Kind
from orchestration.lib.privacy.recognizers.base import Hint
from orchestration.lib.privacy.text_masker import TextMasker, find_all
from orchestration.lib.settings import REPOSITORY, Settings
from tests.traffic import land

DAY, NEXT = date(2024, 6, 1), date(2024, 6, 2)
ALL = frozenset(Hint)


def find(text: str, *, key: str = "", hints: frozenset[Hint] = ALL) -> list[tuple[str, str]]:
    found = find_all(text, key=key, policy=FieldPolicy(), hints=hints)
    return [(one.kind.value, text[one.start : one.end]) for one in found]


def rewriter(stream: Stream = INFERENCES, *, policy: Path | None = None, keys: tuple[bytes, ...] = ()) -> LineRewriter:
    pseudonyms = Pseudonyms(keys)
    masker = TextMasker(Placeholders(pseudonyms))
    return LineRewriter(stream, load_policy(policy or REPOSITORY / "privacy.yml"), pseudonyms, masker)


def masked(line: str, **given: Any) -> str:
    return rewriter(**given).rewrite(line.encode(), ALL).decode()


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "privacy.yml"
    path.write_text(text, encoding="utf-8")
    return path


def ledger_rows(folder: Path, stream: str, day: date = DAY) -> list[dict[str, Any]]:
    return pq.read_table(folder / "ledger" / ledger_path(stream, day)).to_pylist()  # type: ignore[no-any-return]


# -- what is found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [11, 12])
def test_each_kind_is_found_whole_and_hardly_anything_else(seed: int) -> None:
    said, covered, false = Counter[str](), Counter[str](), list[str]()
    for one in labelled(seed, 300):
        is_covered, elsewhere = judged(one)
        if one.kind:
            said[one.kind] += 1
            covered[one.kind] += is_covered
        false += [one.text] * len(elsewhere)
    assert set(said) == {*MAKE}
    assert {kind: covered[kind] / said[kind] for kind in said if covered[kind] < 0.99 * said[kind]} == {}
    assert len(false) <= 0.005 * sum(said.values()), false


@pytest.mark.parametrize(
    "text",
    [
        *(
            "scores = q@k.transpose(-2, -1)",
            "@app.route('/x')",
            "logo@2x.png",
            "git@github.com:a/b.git",
            "npm i react@18.2.0",
        ),
        *(
            "v1.2.3.4 is out",
            "127.0.0.1:8080",
            "0.0.0.0",
            "section 3.1.2.1",
            "std::vector<int> a::b",
            "a[::2]",
            "10:29:41",
        ),
        *(
            "2024-01-15 10:29:41",
            "15.01.2024",
            "01/02/2024",
            "1717236000000",
            "3.14159265358979",
            "1e-05",
            "$ 1,234,567.89",
        ),
        *("550e8400-e29b-41d4-a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e", "4111111111111112"),
        *(
            "password = get_password()",
            "token: str",
            "api_key = os.environ['API_KEY']",
            "max_tokens=4096",
            "password: <secret>",
        ),
        *(
            "Bearer of bad news",
            "basic_arithmetic_operations",
            "sk-learn is a library",
            "-----BEGIN PRIVATE KEY----- is how it starts",
        ),
        *("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "000000000", "1 2 3 4 5 6 7 8 9 10 11 12", "the year 1984 1985 1986"),
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert find(text) == []


def test_a_password_of_an_example_is_none_and_one_that_people_have_is() -> None:
    """Models write `password = "my_password123"` into half of their programs."""
    for text in ("password123", "my_password123", "test-secret-key-1", "SuperSecretPassword", "root", "admin1"):
        assert find(f'password = "{text}"') == find(f"pwd={text}") == find(f"redis://user:{text}@cache:6379") == [], (
            text
        )
    for text in ("hunter2", "P@ssw0rd1", "S3cr3tPass", "MyPassword!1", "password20240131", "tanaka77"):
        assert find(f'password = "{text}"') == [("secret", text)], text
        assert find(f"redis://user:{text}@cache:6379") == [("secret", text)], text
    assert find("my password is password123") == [("secret", "password123")], "who says so means it"
    assert find("password123", key="password") == [("secret", "password123")], "and so does a field of that name"


def test_a_bare_number_needs_a_word_or_its_key() -> None:
    assert find("it has 5551234567 rows") == []
    assert find("phone: 5551234567") == [("phone", "5551234567")]
    assert find("5551234567", key="phone") == [("phone", "5551234567")]
    assert find("my SSN is 536904399") == [("national_id", "536904399")]
    assert find("PESEL 44051401358") == [], "the checksum is wrong"
    assert find("hunter2-is-it", key="password") == [("secret", "hunter2-is-it")]
    assert find("hunter2-is-it", key="title") == []
    assert "<SECRET_" in masked('{"password": "correcthorse"}') and "<" not in masked('{"title": "correcthorse"}')


def test_the_look_at_whole_chunks_passes_over_nothing_that_a_recognizer_finds() -> None:
    """Else what is masked would depend on how a producer writes its JSON."""
    r = random.Random(5)
    texts = [one.text for one in labelled(21, 150)] + [make(r) for make in HARD for _ in range(5)]
    lines = [
        (text, json.dumps({"x": "word", "input": {"prompt": f"so {text}"}, "n": 1}, ensure_ascii=escaped))
        for escaped in (False, True)
        for text in texts
    ]
    bits = hints_of(pa.array([line.encode() for _, line in lines], pa.binary()))
    missed = []
    for (text, line), found in zip(lines, bits, strict=True):
        hints = frozenset(hint for place, hint in enumerate(Hint) if int(found) >> place & 1)
        if "\\u00" not in line and find(text, hints=hints) != find(text):  # a line with such is looked at for all
            missed.append((text, find(text, hints=hints)))
    assert missed == []


# -- what becomes of a line ---------------------------------------------------------------------------------

LINE = (
    '{"request_id": "4111111111111111", "timestamp":"2024-06-01T10:00:00.000Z",  "model_version": "v1.2.3.4", '
    '"turn": 4, '
    '"input": {"prompt": "I am bob@x.example\\ncall +1-212-555-0123", "features": {"a": 1.50, "b": 4111111111111111}}, '
    '"output": {"text": "Write to bob@x.example", "score": 0.1234567890123456789}, '
    '"who@x.example": {"id": "A1"}, "z": null}'
)


def test_only_what_was_found_changes_and_every_other_byte_stays() -> None:
    new = masked(LINE)
    found = json.loads(new)
    assert "bob@x.example" not in new and "who@x.example" not in new and "555-0123" not in new
    placeholder = found["output"]["text"].removeprefix("Write to ")
    assert placeholder.startswith("<EMAIL_") and found["input"]["prompt"].startswith(
        f"I am {placeholder}\ncall <PHONE_"
    )
    for kept in (
        '"request_id": "4111111111111111"',
        ',  "model_version": "v1.2.3.4"',
        '"a": 1.50',
        "0.1234567890123456789}",
    ):
        assert kept in new
    assert found["input"]["features"]["b"].startswith("<CARD_")
    assert list(found) == [key if "@" not in key else list(found)[-2] for key in json.loads(LINE)]
    assert masked(new) == new, "masked twice is masked once"


def test_a_line_without_personal_data_comes_back_byte_for_byte() -> None:
    r = random.Random(3)
    for make in HARD:
        line = json.dumps({"request_id": "r", "input": {"prompt": make(r)}, "é": [1.0, 2e-7, None, True]})
        assert rewriter().rewrite(line.encode(), ALL) == line.encode()


@pytest.mark.parametrize(
    "line",
    [
        '{"input": {"prompt": "b\\u006fb\\u0040x.example"}}',
        '{"input": {"prompt": "bob@x.example',
        "bob@x.example wrote this",
        '{"arguments": "{\\"email\\": \\"bob@x.example\\"}"}',
        '["bob@x.example"]',
        '"bob@x.example"',
        '{"comment": "bob@x.example", "rating": "five"}',
        "prompt='bob@x.example' user_id=17",
    ],
)
def test_no_spelling_hides_it(line: str) -> None:
    new = masked(line)
    assert "bob" not in new and "u006fb" not in new and "<EMAIL_" in new


def test_bytes_of_another_encoding_are_masked_and_kept() -> None:
    assert rewriter().rewrite(b'{"x": "\xe9t\xe9 bob@x.example"}', ALL).startswith(b'{"x": "\xe9t\xe9 <EMAIL_')
    assert b"b\0o\0b" not in rewriter().rewrite('{"x": "bob@x.example"}'.encode("utf-16-le"), ALL)


def test_a_correction_of_another_day_has_the_placeholder_of_its_answer(tmp_path: Path) -> None:
    answer = {
        "request_id": "r1",
        "timestamp": "2024-06-01T10:00:00Z",
        "model_version": "v1",
        "session_id": "a@x.example",
    }
    land(tmp_path, "inferences", DAY, [json.dumps({**answer, "output": {"text": "It is +44 20 7946 0958."}})])
    land(
        tmp_path,
        "feedback",
        NEXT,
        [
            json.dumps(
                {"session_id": "a@x.example", "request_id": "r1", "corrected_output": "It is +44 (20) 7946-0958!"}
            )
        ],
    )
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)})
    assert load_partition(settings, INFERENCES, DAY).found == {"email": 1, "phone": 1}
    assert load_partition(settings, FEEDBACK, NEXT).found == {"email": 1, "phone": 1}
    (inference,), (feedback,) = ledger_rows(tmp_path, "inferences"), ledger_rows(tmp_path, "feedback", NEXT)
    assert json.loads(inference["output"])["text"].strip(".") == feedback["corrected_output"].strip("!")
    assert inference["session_id"] == feedback["session_id"] != "a@x.example", "and the two still join"


def test_dead_letters_are_masked_and_counted(tmp_path: Path) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 4
    land(tmp_path, "feedback", DAY, [f'{{"request_id": 7, "comment": "{secret}"}}', f"token {secret}", "{}"])
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)})
    loaded = load_partition(settings, FEEDBACK, DAY)
    assert loaded.found == {"secret": 2} and loaded.dead_letter_count == 3
    assert not any(secret in str(row) for row in ledger_rows(tmp_path, "feedback"))
    for file in (tmp_path / "landing").rglob("*"):
        file.unlink(missing_ok=True) if file.is_file() else None
    assert load_partition(settings, FEEDBACK, DAY, tell=lambda _: None).found == {"secret": 2}, (
        "a kept day tells it, too"
    )


# -- the policy ---------------------------------------------------------------------------------------------


def test_each_kind_and_field_is_treated_as_the_policy_says(tmp_path: Path) -> None:
    policy = policy_file(
        tmp_path,
        "streams:\n  inferences:\n    masking: {all: mask, email: hash, ip: keep, card: drop}\n"
        "    fields:\n      input.system_prompt: {all: keep}\n",
    )
    line = {
        "input": {"prompt": "bob@x.example at 192.168.7.7", "system_prompt": "ask bob@x.example"},
        "output": {"text": "the card 4111 1111 1111 1111 of bob@x.example"},
    }
    new = json.loads(masked(json.dumps(line), policy=policy))
    hashed, at, address = new["input"]["prompt"].split()
    assert len(hashed) == len("<EMAIL_>") + 16 and (at, address) == ("at", "192.168.7.7")
    assert new["input"]["system_prompt"] == "ask bob@x.example"
    assert new["output"]["text"] == "<CARD_DROPPED>"


def test_a_stream_is_stored_as_shortly_as_the_policy_says(tmp_path: Path) -> None:
    policy = policy_file(tmp_path, "streams: {inferences: {text: truncated(20), logprobs: drop}}")
    line = (
        '{"request_id": "a-request-id-of-more-than-20-characters", "params": {"logprobs": true}, "turn": 3, '
        '"input": {"prompt": "0123456789 0123456789 0123456789"}, '
        '"output": {"text": "short", "score": 0.50, "logprobs" : [{"token": "a", "logprob": -0.1}], "label": "x"}}'
    )
    assert masked(line, policy=policy) == line.replace('9 0123456789"', '…"').replace(
        '[{"token": "a", "logprob": -0.1}]', "null"
    )
    land(tmp_path, "inferences", DAY, [line])
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path), "FEEDBACK_PRIVACY": str(policy)})
    load_partition(settings, INFERENCES, DAY)
    assert 'logprob"' not in str(ledger_rows(tmp_path, "inferences"))


def test_a_changed_policy_makes_other_days(tmp_path: Path) -> None:
    """Else a run would take the days for unchanged and leave what was stored."""
    land(tmp_path, "inferences", DAY, ['{"request_id": "r1"}'])
    versions = set()
    for text in ("streams: {}", "streams: {inferences: {masking: {ip: keep}}}", "names: none"):
        env = {"FEEDBACK_DATA_DIR": str(tmp_path), "FEEDBACK_PRIVACY": str(policy_file(tmp_path, text))}
        for keys in ({}, {"FEEDBACK_PSEUDONYM_KEY": "k" * 16}):
            settings = Settings.from_env({**env, **keys})
            load_partition(settings, INFERENCES, DAY)
            versions.add(ledger_metadata(settings, INFERENCES, "ledger_version")[DAY])
    assert len(versions) == 6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("streams: {inference: {}}", "streams.inference is not known; known are inferences, feedback, reviews"),
        ("streams: {feedback: {masking: {mail: mask}}}", "streams.feedback.masking.mail is not known"),
        (
            "streams: {feedback: {masking: {email: maks}}}",
            "streams.feedback.masking.email is 'maks'; write one of mask, hash",
        ),
        ("streams: {feedback: {text: sampled(0.1)}}", "it is for inferences, which get feedback; write full"),
        ("streams: {inferences: {text: sampled(2)}}", "write full, hashed, truncated(N) or sampled(P)"),
        ("streams: {feedback: {fields: {comment: keep}}}", "streams.feedback.fields.comment must be a mapping"),
        ("user_id_fields: customer_id", "user_id_fields must be a list"),
        ("names: large", "names is 'large'; write none, spacy:<model> or gliner:"),
        ("masks: {}", "masks is not known"),
        ("- a", "must be a mapping"),
    ],
)
def test_a_policy_that_can_not_be_used_says_where_and_how(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(PolicyError) as error:
        load_policy(policy_file(tmp_path, text))
    assert told in str(error.value) and "privacy.yml" in str(error.value)


def test_an_installed_model_finds_names(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="needs the extra `names` (spaCy)")
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}, {"label": "GPE", "pattern": "Lyon"}])
    pipeline.to_disk(tmp_path / "model")
    land(tmp_path, "inferences", DAY, ['{"request_id": "r1", "input": {"prompt": "Ada Lovelace is in Lyon"}}'])
    policy = policy_file(tmp_path, f"names: spacy:{tmp_path / 'model'}")
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path), "FEEDBACK_PRIVACY": str(policy)})
    assert load_partition(settings, INFERENCES, DAY).found == {"name": 1, "place": 1}


# -- real texts ---------------------------------------------------------------------------------------------


def test_real_conversations_keep_their_code_and_numbers() -> None:
    if not (folder := os.environ.get("FEEDBACK_REAL_DATA")):
        pytest.skip("FEEDBACK_REAL_DATA is not set")
    with gzip.open(f"{folder}/02_realhumaneval_chat/chat_data.csv.gz", "rt", encoding="utf-8") as file:
        text = file.read()
    found = Counter(kind for kind, _ in find(text))
    assert sum(found.values()) - found[Kind.SECRET] <= 2, found
