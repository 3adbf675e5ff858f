"""Loading with and without masking of the same landing files, and recall and precision on labelled sentences.

The prompts are pseudo-words with the numbers, times, versions and code of ordinary texts; a share of them holds a
sentence with personal data. Ratios are of CPU seconds, the best of `--repeats`, the ways in turns.
"""

import argparse
import json
import os
import random
from collections import Counter
from datetime import date
from pathlib import Path
from unittest import mock

import yaml

from benchmarks.labelled_texts import HARD, judged, labelled, sentences
from benchmarks.runs import keep_result, working_folder
from benchmarks.traffic import SYLLABLES
from orchestration.contracts.inference import INFERENCES
from orchestration.lib.ledger import LedgerPartition, load_partition
from orchestration.lib.privacy.recognizers.base import Kind
from orchestration.lib.settings import Settings

DAY = date(2024, 6, 1)
RESULT = Path(__file__).parent / "results" / "masking.json"
KEEP_ALL = {"streams": {stream: {"masking": {"all": "keep"}} for stream in ("inferences", "feedback")}}


def write_landing(data_dir: Path, *, events: int, share: float, seed: int) -> int:
    """One day of inferences whose prompts have 1 to 2 KB; returns the bytes."""
    r = random.Random(seed)
    words = ["".join(r.choice(SYLLABLES) for _ in range(r.randint(1, 4))) for _ in range(4000)]
    personal = sentences(seed, 2000)
    folder = data_dir / "landing" / "inferences" / f"dt={DAY}"
    folder.mkdir(parents=True)
    with open(folder / "events.jsonl", "w", encoding="utf-8") as file:
        for n in range(events):
            prompt = r.choices(words, k=r.randint(140, 280))
            for _ in range(3):  # ordinary numbers: years, amounts, lists
                prompt[r.randrange(len(prompt))] = str(r.choice((r.randint(1, 31), r.randint(1900, 2030), r.random())))
            if r.random() < 0.1:
                prompt.insert(r.randrange(len(prompt)), r.choice(HARD)(r))
            if r.random() < share:
                prompt.insert(r.randrange(len(prompt)), r.choice(personal))
            event = {
                "request_id": f"req-{r.getrandbits(128):032x}",
                "timestamp": f"{DAY}T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}.{r.randint(0, 999):03d}Z",
                "model_name": "assistant",
                "model_version": f"v{n % 3}",
                "session_id": f"session-{n // 4}",
                "turn": n % 4,
                "user_id": f"user-{n % 5000}",
                "params": {"temperature": 0.2, "top_p": 0.9},
                "input": {"messages": [{"role": "user", "content": " ".join(prompt)}]},
                "output": {"text": " ".join(r.choices(words, k=r.randint(50, 90))), "score": r.random()},
                "system": {"latency_ms": r.randint(100, 900), "input_tokens": 300, "output_tokens": 80},
            }
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
    return (folder / "events.jsonl").stat().st_size


def load(data_dir: Path, environment: dict[str, str]) -> tuple[float, LedgerPartition]:
    """CPU seconds of one load."""
    with mock.patch.dict(os.environ, {"FEEDBACK_DATA_DIR": str(data_dir), **environment}):
        settings = Settings.from_env()
    before = os.times()
    partition = load_partition(settings, INFERENCES, DAY, tell=lambda _: None)
    after = os.times()
    return after.user + after.system - before.user - before.system, partition


def quality(seed: int, each: int) -> dict[str, dict[str, float]]:
    """Recall (the whole value is covered) and precision (what is found elsewhere is false) by kind."""
    said, found, false = Counter[str](), Counter[str](), Counter[str]()
    for one in labelled(seed, each):
        is_covered, elsewhere = judged(one)
        if one.kind:
            said[one.kind] += 1
            found[one.kind] += is_covered
        false.update(span.kind for span in elsewhere)
    return {
        kind: {
            "recall": round(found[kind] / said[kind], 4),
            "precision": round(found[kind] / max(1, found[kind] + false[kind]), 4),
        }
        for kind in Kind
        if said[kind]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--share", type=float, default=0.05, help="of the prompts, with personal data in them")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--each", type=int, default=2000, help="labelled sentences a kind")
    given = parser.parse_args()
    with working_folder() as root:
        size = write_landing(root, events=given.events, share=given.share, seed=given.seed)
        (root / "keep.yml").write_text(yaml.safe_dump(KEEP_ALL), encoding="utf-8")
        ways = {
            "without": {"FEEDBACK_PRIVACY": str(root / "keep.yml")},
            "masking": {},
            "masking_and_pseudonyms": {"FEEDBACK_PSEUDONYM_KEY": "benchmark-key-of-32-characters-00"},
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        partitions = {}
        for _ in range(given.repeats):
            for way, environment in ways.items():
                spent, partitions[way] = load(root, environment)
                seconds[way].append(spent)
    best = {way: min(of) for way, of in seconds.items()}
    result = {
        "events": given.events,
        "share": given.share,
        "landed_bytes": size,
        "cpu_seconds": {way: round(of, 2) for way, of in best.items()},
        "ratio": {way: round(of / best["without"], 2) for way, of in best.items()},
        "found": partitions["masking"].found,
        "quality": quality(given.seed, given.each),
    }
    keep_result(RESULT, result)


if __name__ == "__main__":
    main()
