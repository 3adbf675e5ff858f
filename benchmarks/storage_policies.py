"""Bytes of the ledger a million inferences under each storage policy of `privacy.yml`.

Prompts of 1 to 2 KB, outputs of 0.5 KB with the log probability of each token, from `benchmarks/masking.py`'s words.
What is sampled or hashed is measured once the attribution window is over, with feedback on 5 % of the inferences.
"""

import argparse
import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from benchmarks.masking import DAY, load
from benchmarks.runs import keep_result, working_folder
from benchmarks.traffic import SYLLABLES
from orchestration.contracts.inference import INFERENCES
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.privacy.policy import StreamPolicy, load_policy
from orchestration.lib.retention.due import sampled
from orchestration.lib.retention.ledger_texts import write_without_texts
from orchestration.lib.retention.text_store import keep_inputs
from orchestration.lib.retention.text_store import path_of as inputs_path
from orchestration.lib.settings import Settings

RESULT = Path(__file__).parent / "results" / "storage_policies.json"
POLICIES: dict[str, dict[str, str]] = {
    "text: full": {},
    "logprobs: drop": {"logprobs": "drop"},
    "text: truncated(500)": {"text": "truncated(500)"},
    "text: truncated(500), logprobs: drop": {"text": "truncated(500)", "logprobs": "drop"},
    "text: truncated(100), logprobs: drop": {"text": "truncated(100)", "logprobs": "drop"},
    "text: sampled(0.1)": {"text": "sampled(0.1)"},
    "text: sampled(0)": {"text": "sampled(0)"},
    "text: hashed": {"text": "hashed"},
}
WITH_FEEDBACK = 0.05


def write_landing(data_dir: Path, *, events: int, seed: int) -> int:
    """One day of inferences; returns the bytes."""
    r = random.Random(seed)
    words = ["".join(r.choice(SYLLABLES) for _ in range(r.randint(1, 4))) for _ in range(20_000)]
    folder = data_dir / "landing" / "inferences" / f"dt={DAY}"
    folder.mkdir(parents=True)
    with open(folder / "events.jsonl", "w", encoding="utf-8") as file:
        for n in range(events):
            answer = r.choices(words, k=r.randint(50, 90))
            event = {
                "request_id": f"req-{r.getrandbits(128):032x}",
                "timestamp": f"{DAY}T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z",
                "model_version": f"v{n % 3}",
                "user_id": f"user-{n % 5000}",
                "input": {"prompt": " ".join(r.choices(words, k=r.randint(140, 280)))},
                "output": {
                    "text": " ".join(answer),
                    "logprobs": [{"token": word, "logprob": round(-r.expovariate(3), 6)} for word in answer],
                },
            }
            file.write(json.dumps(event) + "\n")
    return (folder / "events.jsonl").stat().st_size


def after_the_window(data_dir: Path, stored: StreamPolicy) -> tuple[int, int]:
    """The bytes of the day's file once the texts have gone that no feedback asked for, and of what is elsewhere."""
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(data_dir)})
    path = Path(settings.ledger_url) / ledger_path(INFERENCES.name, DAY)
    ids = pq.read_table(path, columns=["request_id"])
    judged = ids.slice(0, round(len(ids) * WITH_FEEDBACK))
    going = sampled(stored.text_share or 0.0, judged, only_input=stored.hashes_input)
    if stored.hashes_input:
        keep_inputs(settings, DAY, going)
    write_without_texts(settings, INFERENCES, DAY, going, left=str(stored.text_in_the_end))
    elsewhere = data_dir / inputs_path(DAY)
    return path.stat().st_size, elsewhere.stat().st_size if stored.hashes_input else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    given = parser.parse_args()
    with working_folder() as root:
        landed = write_landing(root, events=given.events, seed=7)
        result: dict[str, dict[str, float]] = {}
        for name, policy in POLICIES.items():
            (root / "privacy.yml").write_text(yaml.safe_dump({"streams": {"inferences": policy}}), encoding="utf-8")
            seconds, partition = load(root, {"FEEDBACK_PRIVACY": str(root / "privacy.yml")})
            ledger, elsewhere = partition.bytes, 0
            if (stored := load_policy(root / "privacy.yml").of(INFERENCES.name)).text_share is not None:
                ledger, elsewhere = after_the_window(root, stored)
            result[name] = {
                "mb_a_million": round(ledger / given.events),
                **({"elsewhere_mb_a_million": round(elsewhere / given.events)} if elsewhere else {}),
                "cpu_microseconds_a_line": round(seconds / given.events * 1e6),
            }
    told = {"events": given.events, "landed_mb_a_million": round(landed / given.events), "policies": result}
    keep_result(RESULT, told)


if __name__ == "__main__":
    main()
