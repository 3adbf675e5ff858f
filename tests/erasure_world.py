"""A world with a person in every stream, format and kind of field, and the same world in which they never were.

Everything that is theirs has SECRET in it, so that a search knows what it should not find.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.traffic import land_honest_day

DAYS = [date(2024, 7, n) for n in (1, 2, 3)]
PERSON = "user-planted-7f3a"
# Another person, in whose id this one's is.
NAMESAKE = f"{PERSON}9"
OTHER = "user-other-1"
ERASE, KEEP = "erase", "keep"


@dataclass(frozen=True)
class Planted:
    """A line of a file; `fate` says whether it is the person's."""

    stream: str
    day: date
    file: str
    line: str
    fate: str


def _inference(day: date, request: str, user: str | None, text: str, **more: Any) -> str:
    event = {
        "request_id": request,
        "timestamp": f"{day}T09:00:00Z",
        "model_version": "v1",
        "input": {"prompt": f"question: {text}"},
        "output": {"text": f"answer: {text}"},
        **({"user_id": user} if user else {}),
        **more,
    }
    return json.dumps(event)


def _feedback(day: date, **event: Any) -> str:
    return json.dumps({"timestamp": f"{day}T11:00:00Z", **event})


def planted() -> Iterator[Planted]:
    one, two, three = DAYS

    def inference(day: date, file: str, fate: str, line: str) -> Planted:
        return Planted("inferences", day, file, line, fate)

    def feedback(day: date, file: str, fate: str, line: str) -> Planted:
        return Planted("feedback", day, file, line, fate)

    plain = "planted.jsonl"
    nested = {"extra": {"deep": [{"who": PERSON, "said": "SECRET nested"}]}, "SECRET key": 1}
    first = _inference(one, "req-planted-1", PERSON, "SECRET 1", session_id="sess-planted-1", turn=0, **nested)
    yield inference(one, plain, ERASE, first)
    yield inference(
        one, plain, ERASE, _inference(one, "req-planted-2", None, "SECRET 2", session_id="sess-planted-1", turn=1)
    )
    shared = {"session_id": "sess-shared-1"}
    yield inference(one, plain, ERASE, _inference(one, "req-planted-3", PERSON, "SECRET 3", **shared, turn=0))
    yield inference(one, plain, KEEP, _inference(one, "req-kept-1", OTHER, "kept 1", **shared, turn=1))
    yield inference(one, plain, KEEP, _inference(one, "req-kept-2", NAMESAKE, "kept 2"))
    named = {"components": [{"name": "router", "output": PERSON}], "extra": {"by": PERSON, "of": "req-planted-1"}}
    features = {"input": {"features": {"referrer": PERSON, "n": 1}}}
    yield inference(one, plain, KEEP, _inference(one, "req-kept-3", OTHER, f"ask {PERSON}!", **features, **named))
    yield inference(one, plain, ERASE, json.dumps({"request_id": 5, "user_id": PERSON, "text": "SECRET dead"}))
    yield inference(one, plain, ERASE, f'{{"user_id": "{PERSON}", "prompt": "SECRET broken')
    # The same request again, and another content under its id.
    yield inference(two, plain, ERASE, first)
    yield inference(two, plain, ERASE, _inference(two, "req-planted-1", None, "SECRET conflict"))
    for n, file in enumerate(("packed.jsonl.gz", "packed.jsonl.zst", "rows.parquet")):
        yield inference(two, file, KEEP, _inference(two, f"req-kept-1{n}", OTHER, f"kept 1{n}"))
        yield inference(two, file, ERASE, _inference(two, f"req-planted-1{n}", PERSON, f"SECRET 1{n}"))
        yield inference(two, file, KEEP, _inference(two, f"req-kept-2{n}", NAMESAKE, f"kept 2{n}"))
        for request, user, fate in ((f"req-kept-1{n}", OTHER, KEEP), (f"req-planted-1{n}", PERSON, ERASE)):
            secret = "" if fate == KEEP else "SECRET "
            said = {"corrected_output": f"{secret}better {n}"}
            yield feedback(
                two, file, fate, _feedback(two, feedback_id=f"fb-{request}", request_id=request, user_id=user, **said)
            )
    yield feedback(
        one, plain, ERASE,
        _feedback(one, feedback_id="fb-planted-1", request_id="req-planted-1", thumbs="up", user_id=PERSON),
    )  # fmt: skip
    yield feedback(
        one, plain, ERASE,
        _feedback(
            one, feedback_id="fb-planted-2", request_id="req-planted-1", corrected_output="SECRET by an annotator",
            user_id="annotator-1", source="annotator",
        ),
    )  # fmt: skip
    yield feedback(one, plain, ERASE, _feedback(one, request_id="req-kept-2", comment="SECRET comment", user_id=PERSON))
    yield feedback(
        one, plain, KEEP,
        _feedback(one, feedback_id="fb-kept-1", request_id="req-kept-1", corrected_output="kept better", user_id=OTHER),
    )  # fmt: skip
    yield feedback(
        one, plain, KEEP,
        _feedback(
            one, feedback_id="fb-kept-2", request_id="req-kept-3", comment=f"as {PERSON} says", user_id=OTHER,
            extra={"seen": [PERSON]},
        ),
    )  # fmt: skip
    yield feedback(
        two, plain, ERASE,
        _feedback(two, chosen_request_id="req-kept-1", rejected_request_id="req-planted-3", user_id=OTHER),
    )  # fmt: skip
    yield feedback(
        two,
        plain,
        ERASE,
        _feedback(two, session_id="sess-planted-1", rating=2, user_id="annotator-1", source="annotator"),
    )
    yield feedback(
        two, plain, ERASE, _feedback(two, request_id="req-never-came", rating=1, user_id=PERSON, note="SECRET")
    )
    yield feedback(
        two, plain, ERASE, _feedback(two, feedback_id="fb-planted-1", request_id="req-planted-1", thumbs="up")
    )
    yield feedback(
        three, plain, ERASE,
        _feedback(three, feedback_id="fb-retracting", retracts="fb-planted-2", request_id="req-planted-1",
                  user_id="annotator-1"),
    )  # fmt: skip
    yield feedback(
        three, plain, ERASE, json.dumps({"feedback_id": "fb-planted-1", "rating": "SECRET", "session_id": 1})
    )
    review = {"feedback_id": "fb-planted-1", "decision": "accept", "reviewer": "ada", "note": "SECRET note"}
    yield Planted("reviews", two, plain, json.dumps(review), ERASE)
    yield Planted(
        "reviews", two, plain, json.dumps({"feedback_id": "fb-kept-1", "decision": "accept", "reviewer": PERSON}), KEEP
    )


def land_world(data_dir: Path, *, with_person: bool) -> None:
    """Lands the world; without the person, their lines never came and nobody names them."""
    for day in DAYS:
        land_honest_day(data_dir, day)
    files: dict[tuple[str, date, str], list[str]] = {}
    for one in planted():
        lines = files.setdefault((one.stream, one.day, one.file), [])
        if with_person:
            lines.append(one.line)
        elif one.fate == KEEP:
            lines.append(_without_names(one.line))
    for (stream, day, name), lines in files.items():
        folder = data_dir / "landing" / stream / f"dt={day}"
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / name, lines)


def _without_names(line: str) -> str:
    line = line.replace(NAMESAKE, "<namesake>").replace(PERSON, "<ERASED>").replace("<namesake>", NAMESAKE)
    return line.replace('"req-planted-1"', '"<ERASED>"')


def _write(path: Path, lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(text))
    elif path.suffix == ".parquet":
        rows = [json.loads(line) for line in lines]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        table = {
            name: [
                json.dumps(row[name]) if isinstance(row.get(name), dict) else row.get(name)  # as data frames do
                for row in rows
            ]
            for name in columns
        }
        pq.write_table(pa.table(table), path)
    else:
        path.write_bytes(text)


# -- looking for what should be gone --------------------------------------------------------------------


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, what they unpack to, and the values of a table."""
    raw = path.read_bytes()
    yield raw
    if path.suffix == ".gz":
        yield gzip.decompress(raw)
    if path.suffix == ".zst":
        yield zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path).to_pylist()).encode()
