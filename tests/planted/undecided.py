"""Lines to which the contract gives no answer, but which must not stop or confuse a run.

Not part of the scenario, since no answer would be right by the contract. What it does say holds
for them too: each is in exactly one state with a reason, the states add up to the lines, a rerun
says the same. Once the contract decides one, it moves into a table with its answer.
"""

from datetime import date
from pathlib import Path

from .plan import MAR_5

UNDECIDED: tuple[tuple[str, bytes], ...] = (
    ("half of a surrogate pair, escaped: not_json, or U+FFFD?",
     rb'{"feedback_id":"fb-u-1","request_id":"req-on-time","comment":"\ud83d"}'),
    ("one key twice in an object: the first, the last, or not_json?",
     b'{"feedback_id":"fb-u-2","request_id":"req-on-time","rating":1,"rating":5}'),
    ("an escaped NUL in an id: text like any other?",
     rb'{"feedback_id":"fb-u-3","request_id":"req-\u0000","rating":5}'),
    ("a number beyond double precision's range",
     b'{"feedback_id":"fb-u-4","request_id":"req-on-time","rating":1e999}'),
    ("an integer beyond 64 bits",
     b'{"feedback_id":"fb-u-5","request_id":"req-on-time","preferred_output_idx":36893488147419103232}'),
    ("objects nested 5,000 deep in an unknown field",
     b'{"feedback_id":"fb-u-6","request_id":"req-on-time","rating":5,"x":' + b'{"x":' * 5000 + b"1" + b"}" * 5001),
    ("a leap second, which RFC 3339 knows",
     b'{"feedback_id":"fb-u-7","request_id":"req-on-time","rating":5,"timestamp":"2016-12-31T23:59:60Z"}'),
    ("the year 1 east of Greenwich, before the first year in UTC",
     b'{"feedback_id":"fb-u-8","request_id":"req-on-time","rating":5,"timestamp":"0001-01-01T00:00:00+14:00"}'),
    ("a date without a time of day, which RFC 3339 does not call a date-time",
     b'{"feedback_id":"fb-u-9","request_id":"req-on-time","rating":5,"timestamp":"2024-03-05"}'),
    ("an offset without colon",
     b'{"feedback_id":"fb-u-10","request_id":"req-on-time","rating":5,"timestamp":"2024-03-05T12:00:00+0000"}'),
    ("rating 0: below the scale, or its end?",
     b'{"feedback_id":"fb-u-11","request_id":"req-on-time","rating":0}'),
    ("rating_max 0: nothing fits that scale",
     b'{"feedback_id":"fb-u-12","request_id":"req-on-time","rating":0,"rating_max":0}'),
    ("a preference by index about an inference that logged no alternatives",
     b'{"feedback_id":"fb-u-13","request_id":"req-on-time","preferred_output_idx":0}'),
    ("index 2 of two alternatives: is 0 the output itself?",
     b'{"feedback_id":"fb-u-14","request_id":"req-spell","preferred_output_idx":2}'),
    ("a target of kind chunk without id",
     b'{"feedback_id":"fb-u-15","request_id":"req-sense","rating":5,"target":{"kind":"chunk"}}'),
    ("a retraction of what was never received",
     b'{"feedback_id":"fb-u-16","request_id":"req-on-time","retracts":"fb-never"}'),
    ("an empty feedback_id: absent, or an id?",
     b'{"feedback_id":"","request_id":"req-on-time","rating":5}'),
    ("an empty comment: absent, or a comment?",
     b'{"feedback_id":"fb-u-17","request_id":"req-on-time","comment":""}'),
    ("a label that is no text",
     b'{"feedback_id":"fb-u-18","request_id":"req-on-time","label":3}'),
    ("a reference nested in feedback{}: one of the same fields?",
     b'{"feedback_id":"fb-u-19","feedback":{"request_id":"req-on-time","rating":5}}'),
    ("an empty request_id beside a sound alias",
     b'{"feedback_id":"fb-u-20","request_id":"","inference_request_id":"req-on-time","rating":5}'),
    ("a pair of requests without a reference",
     b'{"feedback_id":"fb-u-21","chosen_request_id":"req-chosen","rejected_request_id":"req-rejected"}'),
    ("a type that is told beside one that could be inferred: the same derived id as the next?",
     b'{"request_id":"req-on-time","feedback_type":"rating","rating":5,"timestamp":"2024-03-05T11:00:00Z"}'),
    ("... the same without the type",
     b'{"request_id":"req-on-time","rating":5,"timestamp":"2024-03-05T11:00:00Z"}'),
    ("... the same with its default scale",
     b'{"request_id":"req-on-time","rating":5,"rating_max":5,"timestamp":"2024-03-05T11:00:00Z"}'),
    ("... the same with an unknown field",
     b'{"request_id":"req-on-time","rating":5,"sent":2,"timestamp":"2024-03-05T11:00:00Z"}'),
    ("a byte order mark within the file",
     b'\xef\xbb\xbf{"feedback_id":"fb-u-22","request_id":"req-on-time","rating":5}'),
)  # fmt: skip


def write_undecided(root: Path, *, received_date: date = MAR_5) -> Path:
    """Land them all as one feedback file of the day, one line each, in the order above."""
    path = root / "landing" / "feedback" / f"dt={received_date.isoformat()}" / "undecided.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(raw + b"\n" for _, raw in UNDECIDED))
    return path
