"""The review event: what a person decided about one piece of feedback (CONTRACT section 2)."""

from orchestration.contracts.fields import Field, Kind, Stream
from orchestration.contracts.versions import with_versions

DECISIONS = ("accept", "reject")

REVIEWS = with_versions(
    Stream(
        name="reviews",
        event="review",
        version=1,
        description="What a reviewer decided about one piece of feedback.",
        fields=(
            Field(name="schema_version", kind=Kind.INTEGER, description="Version of this schema; absent means 1."),
            Field(
                name="feedback_id",
                kind=Kind.STRING,
                required=True,
                description="The feedback that was reviewed; `attribution review list` shows derived ids, too.",
            ),
            Field(
                name="decision",
                kind=Kind.STRING,
                required=True,
                enum=DECISIONS,
                description="accept: it may be attributed; reject: it is no feedback to learn from.",
            ),
            Field(name="reviewer", kind=Kind.STRING, required=True, description="Who decided."),
            Field(
                name="timestamp",
                kind=Kind.TIMESTAMP,
                column="reviewed_at",
                description="When it was decided; the received date says from when it counts.",
            ),
            Field(name="note", kind=Kind.STRING, description="Why, in the reviewer's words."),
        ),
        examples={
            1: ('{"feedback_id": "fb_17", "decision": "accept", "reviewer": "ada", "note": "a real user, asked"}',)
        },
    )
)
