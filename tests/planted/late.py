"""The second stage: inferences that land in dt=2024-03-02 after everything else has been built.

Their feedback came on 03-01 to 03-05 and waits. A file may be added to a day at any time, so a
backfill from 03-02 on must give each waiting line the answer that it would have had at once.
"""

from .plan import (
    MAR_1,
    MAR_2,
    MAR_3,
    MAR_4,
    MAR_5,
    counts,
    dead,
    ignored,
    landing_file,
    late_attributed,
    late_invalid,
    pending,
)

# A table: one entry a line planted, its answer right beside it. Formatted by hand.
# fmt: off

INFERENCES = (
    landing_file("inferences", MAR_2, "aa-late.jsonl",
        counts('{"request_id":"req-late-1","timestamp":"2024-03-01T08:00:00Z","model_version":"v4.2"}', of="req-late-1", why="awaited since 03-01"),
        counts('{"request_id":"req-late-2","timestamp":"2024-03-01T22:00:00Z","model_version":"v4.2"}', of="req-late-2", why="awaited since 03-01; ten minutes after one of its feedbacks"),
        counts('{"request_id":"req-late-old","timestamp":"2024-01-15T00:00:00Z","model_version":"v4.1"}', of="req-late-old", why="an old event: its feedback is out of the window"),
        ignored('{"request_id":"req-on-time","timestamp":"2024-03-01T09:00:00Z","model_version":"v4.2"}', of="req-on-time", why="received on 03-01 already"),
        dead('{"request_id":"req-late-cut","timestamp":"2024-03-0', "not_json", "half a line"),
        dead('{"request_id":"req-on-time","timestamp":"2024-03-01T09:00:00Z","model_version":"v9"}', "conflicting_request_id", "received on 03-01 with another model version"),
        late=True,
    ),
    landing_file("inferences", MAR_2, "zz-late.jsonl.gz",
        counts('{"request_id":"req-late-alternatives","timestamp":"2024-03-02T08:00:00Z","model_version":"v4.2","output":{"text":"a","alternatives":["a","b"]}}', of="req-late-alternatives", why="two alternatives"),
        counts('{"request_id":"req-late-3","timestamp":"2024-03-02T08:00:00Z","model_version":"v4.2"}', of="req-late-3", why="awaited since 03-03"),
        late=True,
    ),
)

FEEDBACK = (
    landing_file("feedback", MAR_1, "late.jsonl",
        pending('{"feedback_id":"fb-late-1","request_id":"req-late-1","rating":4,"timestamp":"2024-03-01T08:05:00Z"}', id="fb-late-1", of="req-late-1", after_late=late_attributed(MAR_2), why="waits for the late file"),
        pending('{"feedback_id":"fb-late-1-alias","inference_request_id":"req-late-1","thumbs":"up","timestamp":"2024-03-01T08:06:00Z"}', id="fb-late-1-alias", of="req-late-1", after_late=late_attributed(MAR_2), why="waits for the late file, by the alias"),
        pending('{"request_id":"req-late-1","feedback":{"comment":"well"},"timestamp":"2024-03-01T08:07:00Z"}', of="req-late-1", after_late=late_attributed(MAR_2), why="waits for the late file, nested, without id"),
        pending('{"feedback_id":"fb-late-before","request_id":"req-late-2","rating":4,"timestamp":"2024-03-01T21:50:00Z"}', id="fb-late-before", of="req-late-2", after_late=late_invalid("before_inference", settled=MAR_2), why="waits, and proves to be ten minutes before its inference"),
        pending('{"feedback_id":"fb-late-untimed","request_id":"req-late-2","rating":4}', id="fb-late-untimed", of="req-late-2", after_late=late_attributed(MAR_2), why="waits; the end of 03-01 is after its inference"),
        pending('{"feedback_id":"fb-late-window","inference_request_id":"req-late-old","rating":4,"timestamp":"2024-03-01T08:08:00Z"}', id="fb-late-window", of="req-late-old", after_late=late_invalid("outside_window", settled=MAR_2), why="waits, and proves to be 46 days after its inference"),
    ),
    landing_file("feedback", MAR_2, "late.jsonl",
        pending('{"feedback_id":"fb-late-1-d2","request_id":"req-late-1","rating":2,"timestamp":"2024-03-02T08:00:00Z"}', id="fb-late-1-d2", of="req-late-1", after_late=late_attributed(MAR_2), why="of the day in which the late file lands"),
        pending('{"feedback_id":"fb-late-idx-7","request_id":"req-late-alternatives","preferred_output_idx":7,"timestamp":"2024-03-02T08:30:00Z"}', id="fb-late-idx-7", of="req-late-alternatives", after_late=late_invalid("unknown_target", settled=MAR_2), why="waits, and proves to choose what was never offered"),
        pending('{"feedback_id":"fb-late-idx-1","request_id":"req-late-alternatives","feedback":{"preferred_output_idx":1},"timestamp":"2024-03-02T08:30:00Z"}', id="fb-late-idx-1", of="req-late-alternatives", after_late=late_attributed(MAR_2), why="waits, and proves to choose the second of two"),
    ),
    landing_file("feedback", MAR_3, "late.jsonl",
        pending('{"feedback_id":"fb-late-1-d3","inference_request_id":"req-late-1","comment":"still waiting","timestamp":"2024-03-03T08:00:00Z"}', id="fb-late-1-d3", of="req-late-1", after_late=late_attributed(MAR_3), why="received after the day of the late file, so its own day is the later"),
        pending('{"request_id":"req-late-3","feedback":{"label":"wrong"},"timestamp":"2024-03-03T08:00:00Z"}', of="req-late-3", after_late=late_attributed(MAR_3), why="the same, nested, without id"),
        pending('{"feedback_id":"fb-late-window-d3","request_id":"req-late-old","thumbs":"up","timestamp":"2024-03-03T08:00:00Z"}', id="fb-late-window-d3", of="req-late-old", after_late=late_invalid("outside_window", settled=MAR_3), why="waits, and proves to be 48 days after its inference"),
    ),
    landing_file("feedback", MAR_4, "late.jsonl",
        pending('{"feedback_id":"fb-late-3-d4","inference_request_id":"req-late-3","feedback":{"rating":5},"timestamp":"2024-03-04T08:00:00Z"}', id="fb-late-3-d4", of="req-late-3", after_late=late_attributed(MAR_4), why="two days after the day of the late file, alias and nested"),
        pending('{"feedback_id":"fb-late-cut","request_id":"req-late-cut","rating":5,"timestamp":"2024-03-04T08:00:00Z"}', id="fb-late-cut", of="req-late-cut", why="its inference is a dead letter of the late file: it waits on"),
    ),
    landing_file("feedback", MAR_5, "late.jsonl",
        pending('{"feedback_id":"fb-late-2-d5","request_id":"req-late-2","signal":"copy"}', id="fb-late-2-d5", of="req-late-2", after_late=late_attributed(MAR_5), why="three days after the day of the late file, without time"),
    ),
)
