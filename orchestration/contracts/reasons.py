"""Every state that a feedback line can be in, and every reason code with its meaning and cure.

The one list of reason codes: the ledger, the dbt models (accepted values), the CLI and the docs take
them from here. A reason that is not in this list is a bug, and a test says so.
"""

STATES: tuple[str, ...] = (
    "dead_letter",
    "duplicate",
    "invalid",
    "requires_human_review",
    "pending",
    "attributed",
    "erased",
)

DEAD_LETTER_REASONS: dict[str, str] = {
    "not_json": "The line is not JSON. Write one JSON object a line; NaN and trailing commas are no JSON.",
    "not_an_object": "The line is JSON, but no object. Wrap the event in {…}.",
    "no_reference": "Nothing says what the feedback is about. Send request_id or session_id.",
    "wrong_type": "A field has a value of the wrong type. Send the type that the schema names.",
    "not_in_enumeration": "A field has a word that is none of its values. Send one that the schema names.",
    "unparsable_timestamp": "A time is not RFC 3339. Send e.g. 2024-01-15T10:30:00Z.",
    "missing_required_field": "A field is missing without which the event means nothing. Send it.",
    "conflicting_field": "Two spellings of the same field disagree. Send one of them.",
    "unknown_schema_version": "This schema_version is not known here. Deploy its schema, then run the day again.",
    "not_utf8": "The line is not UTF-8. Write UTF-8.",
    "line_too_long": "The line is longer than FEEDBACK_MAX_LINE_BYTES. Raise it, or send less.",
    "truncated_file": "The compressed file breaks off or is damaged here. Land it again under another name.",
    "unreadable_file": "The file can not be read as JSONL or Parquet. Land it again in one of these.",
    "conflicting_request_id": "Another inference came first under this request_id. Make ids unique.",
}

# Those of `requires_human_review` are the rules' (dbt_project/models/rules): each declares its own.
STATE_REASONS: dict[str, tuple[str, ...]] = {
    "dead_letter": tuple(reason for reason in DEAD_LETTER_REASONS if reason != "conflicting_request_id"),
    "duplicate": ("duplicate_feedback_id",),
    "invalid": (
        "timestamp_in_future",
        "value_out_of_range",
        "before_inference",
        "outside_window",
        "unknown_target",
        "unknown_request",
        "rejected_in_review",
    ),
    "pending": ("awaiting_inference",),
    "attributed": ("matched_request_id", "matched_session_id"),
    "erased": ("erased_on_request",),
}
