"""The feedback event: what somebody or something says about an inference (CONTRACT section 2)."""

from orchestration.contracts.fields import Field, Kind, Stream
from orchestration.contracts.versions import with_versions

# The fields that carry each type's content: any of the groups, all fields of the group. Order matters:
# where `feedback_type` is absent, the first type whose fields are there is taken, so the more deliberate
# statement wins over the more casual one.
TYPE_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "retraction": (("retracts",),),
    "explicit_correction": (("corrected_output",),),
    "preference": (("preferred_output_idx",), ("chosen_request_id", "rejected_request_id")),
    "rating": (("rating",),),
    "thumbs": (("thumbs",),),
    "label": (("label",),),
    "comment": (("comment",),),
    "implicit_signal": (("signal",),),
}

DEFAULT_RATING_MAX = 5

_TARGET = (
    Field(
        name="kind",
        kind=Kind.STRING,
        enum=("output", "turn", "session", "chunk", "component"),
        description="Which part of the inference is meant.",
    ),
    Field(name="id", kind=Kind.STRING, description="Id of that part, as the inference logged it."),
)

FEEDBACK = with_versions(
    Stream(
        name="feedback",
        event="feedback",
        version=1,
        description="What a user, an annotator or a system says about one inference or conversation.",
        envelope="feedback",
        fields=(
            Field(name="schema_version", kind=Kind.INTEGER, description="Version of this schema; absent means 1."),
            Field(
                name="feedback_id",
                kind=Kind.STRING,
                description="Identifies the event; absent, it is derived from the event's canonical content.",
            ),
            Field(
                name="request_id",
                kind=Kind.STRING,
                aliases=("inference_request_id",),
                description="The inference that the feedback is about.",
            ),
            Field(name="session_id", kind=Kind.STRING, description="The conversation; alone, what it is about."),
            Field(
                name="timestamp",
                kind=Kind.TIMESTAMP,
                column="feedback_at",
                description="When it was given; absent, it counts as the end of its received date.",
            ),
            Field(
                name="feedback_type",
                kind=Kind.STRING,
                enum=(
                    "rating",
                    "thumbs",
                    "explicit_correction",
                    "preference",
                    "label",
                    "comment",
                    "implicit_signal",
                    "retraction",
                ),
                description="Absent, it is inferred from the field that is there.",
            ),
            Field(name="rating", kind=Kind.NUMBER, description="From 0 to `rating_max`; 1 is the worst of stars."),
            Field(name="rating_max", kind=Kind.NUMBER, description=f"Best rating; default {DEFAULT_RATING_MAX}."),
            Field(name="thumbs", kind=Kind.STRING, enum=("up", "down"), description="Thumbs up or down."),
            Field(name="corrected_output", kind=Kind.STRING, description="What the output should have been."),
            Field(
                name="preferred_output_idx",
                kind=Kind.INTEGER,
                description="Index, from 0, into the inference's `output.alternatives`.",
            ),
            Field(
                name="chosen_request_id",
                kind=Kind.STRING,
                description="The better of two inferences; the reference where no request_id is given.",
            ),
            Field(name="rejected_request_id", kind=Kind.STRING, description="The worse of two inferences."),
            Field(name="label", kind=Kind.SCALAR, description="The right class, or a tag."),
            Field(name="comment", kind=Kind.STRING, description="Free text."),
            Field(name="signal", kind=Kind.STRING, description="Implicit signal, e.g. `click`, `copy`, `abandon`."),
            Field(name="value", kind=Kind.ANY, description="Value of the signal, e.g. seconds of dwell time."),
            Field(name="retracts", kind=Kind.STRING, description="The feedback_id that is taken back."),
            Field(name="target", kind=Kind.OBJECT, properties=_TARGET, description="The part that is meant."),
            Field(name="user_id", kind=Kind.STRING, description="Who gave it."),
            Field(
                name="source",
                kind=Kind.STRING,
                enum=("user", "annotator", "model", "system"),
                description="What kind of judge gave it.",
            ),
            Field(name="model_version", kind=Kind.STRING, description="Model version that the client saw."),
            Field(name="variant", kind=Kind.STRING, description="Variant that the client saw."),
            Field(name="client_version", kind=Kind.STRING, description="Version of the application."),
        ),
        examples={
            1: (
                '{"inference_request_id": "req_abc123", "feedback_type": "explicit_correction", '
                '"corrected_output": "The capital of France is Paris.", "timestamp": "2024-01-15T10:30:00Z"}',
                '{"request_id": "req_abc123", "model_version": "v4.2", "feedback": {"preferred_output_idx": 1}, '
                '"user_id": "user_xyz"}',
            )
        },
    )
)
