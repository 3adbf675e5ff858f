"""Dead letters through the command line: told by reason with examples, and back in the flow after a fix."""

import json
from datetime import date
from pathlib import Path

import pytest

from tests.platform_under_test import Platform
from tests.traffic import inference, land, thumbs

DAY = date(2024, 6, 1)


def test_lines_leave_dead_letter_when_what_ailed_them_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = Platform(tmp_path)
    long_one = json.dumps({"feedback_id": "long", "request_id": f"req-{DAY}-19", "comment": "x" * 5000})
    land(platform.data_dir, "inferences", DAY, [inference(DAY, n) for n in range(20)])
    land(platform.data_dir, "feedback", DAY, [*(thumbs(DAY, n) for n in range(18)), "{half a line", long_one])

    monkeypatch.setenv("FEEDBACK_MAX_LINE_BYTES", "2048")
    assert platform.run(DAY, DAY) == 0
    capsys.readouterr()
    assert platform.command("dead-letters") == 0
    said = capsys.readouterr().out
    assert "1 feedback lines are line_too_long (2024-06-01)" in said
    assert "1 feedback lines are not_json" in said
    assert f"landing/feedback/dt={DAY}/events.jsonl:19" in said and "{half a line" in said
    assert f"attribution run --from {DAY} --to {DAY}" in said
    assert platform.command("dead-letters", "--reason", "not_json", "--examples", "0") == 0
    narrowed = capsys.readouterr().out
    assert "line_too_long" not in narrowed and "{half a line" not in narrowed

    monkeypatch.delenv("FEEDBACK_MAX_LINE_BYTES")
    assert platform.run(DAY, DAY) == 0
    (state,) = platform.query("select state, attributed_date from marts.feedback_status where feedback_id = 'long'")
    assert state == {"state": "attributed", "attributed_date": DAY}
    assert [row["reason"] for row in platform.query("from marts.dead_letter")] == ["not_json"]


def test_nothing_built_yet_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Platform(tmp_path).command("dead-letters") == 1
    assert "attribution run" in capsys.readouterr().err
