"""Small honest and broken traffic, for tests about gates, interruption and concurrency."""

import json
import zlib
from datetime import date
from pathlib import Path


def land(data_dir: Path, stream: str, day: date, lines: list[str], *, name: str = "events.jsonl") -> Path:
    """Writes a landing file as a producer would: beside, then renamed."""
    folder = data_dir / "landing" / stream / f"dt={day}"
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{name}"
    beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return beside.rename(folder / name)


def inference(day: date, n: int) -> str:
    return json.dumps(
        {
            "request_id": f"req-{day}-{n}",
            "timestamp": f"{day}T10:00:{n % 60:02d}Z",
            "model_version": "v1",
            "user_id": f"user-{n}",
            "input": {"prompt": f"question {n}"},
            "output": {"text": f"answer {n}"},
        }
    )


def thumbs(day: date, n: int, *, up: bool = True) -> str:
    return json.dumps(
        {
            "feedback_id": f"fb-{day}-{n}",
            "request_id": f"req-{day}-{n}",
            "thumbs": "up" if up else "down",
            "timestamp": f"{day}T10:05:00Z",
            "user_id": f"user-{n}",
        }
    )


def into_hours(data_dir: Path) -> None:
    """Moves most landed files into folders of hours, the same ones on any machine; the others stay where they are."""
    for path in sorted((data_dir / "landing").rglob("*")):
        if path.is_file() and (hour := zlib.crc32(path.name.encode()) % 30) < 24:
            (path.parent / f"hour={hour:02}").mkdir(exist_ok=True)
            path.rename(path.parent / f"hour={hour:02}" / path.name)


def land_honest_day(data_dir: Path, day: date, *, pairs: int = 20) -> None:
    land(data_dir, "inferences", day, [inference(day, n) for n in range(pairs)])
    land(data_dir, "feedback", day, [thumbs(day, n, up=n % 3 > 0) for n in range(pairs)])
