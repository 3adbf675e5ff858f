"""The inference event: one answer of a model, as a serving system logs it (CONTRACT section 2)."""

from orchestration.contracts.fields import Field, Kind, Stream
from orchestration.contracts.versions import with_versions

_INPUT = (
    Field(name="messages", kind=Kind.ARRAY, description="Chat messages `{role, content}`, oldest first."),
    Field(name="prompt", kind=Kind.STRING, description="The prompt, where the input is no chat."),
    Field(name="system_prompt", kind=Kind.STRING, description="The system prompt in force."),
    Field(name="features", kind=Kind.OBJECT, description="Feature name to value, for tabular models."),
    Field(
        name="retrieved",
        kind=Kind.ARRAY,
        description="Retrieved chunks `{chunk_id, document_id, index_version, rank, score, text}`.",
    ),
)

_OUTPUT = (
    Field(name="text", kind=Kind.STRING, description="The text that was generated."),
    Field(name="label", kind=Kind.SCALAR, description="The class or item that was chosen."),
    Field(name="score", kind=Kind.NUMBER, description="The score of the output, in the model's own unit."),
    Field(name="logprobs", kind=Kind.ANY, description="Log probabilities, as the serving system gives them."),
    Field(name="alternatives", kind=Kind.ARRAY, description="The outputs that were offered, from index 0."),
    Field(name="finish_reason", kind=Kind.STRING, description="Why generation ended, e.g. `stop`, `length`."),
)

_SYSTEM = (
    Field(name="latency_ms", kind=Kind.NUMBER, description="Time to the full answer, in milliseconds."),
    Field(name="hardware", kind=Kind.STRING, description="Accelerator or instance type."),
    Field(name="region", kind=Kind.STRING, description="Where the answer was computed."),
    Field(name="input_tokens", kind=Kind.INTEGER, description="Tokens read."),
    Field(name="output_tokens", kind=Kind.INTEGER, description="Tokens written."),
)

INFERENCES = with_versions(
    Stream(
        name="inferences",
        event="inference",
        version=1,
        description="One answer of a model, as the serving system logged it.",
        fields=(
            Field(name="schema_version", kind=Kind.INTEGER, description="Version of this schema; absent means 1."),
            Field(
                name="request_id",
                kind=Kind.STRING,
                required=True,
                description="Identifies the inference; the first received of an id counts.",
            ),
            Field(
                name="timestamp",
                kind=Kind.TIMESTAMP,
                required=True,
                column="inference_at",
                description="When the answer was given; UTC where no offset is given.",
            ),
            Field(name="model_version", kind=Kind.STRING, required=True, description="Exact version of the model."),
            Field(name="model_name", kind=Kind.STRING, description="Name of the model, without its version."),
            Field(name="variant", kind=Kind.STRING, description="Canary or A/B arm, e.g. `model-v2-canary-05`."),
            Field(name="endpoint", kind=Kind.STRING, description="Serving endpoint that was called."),
            Field(name="session_id", kind=Kind.STRING, description="Conversation that the answer belongs to."),
            Field(name="turn", kind=Kind.INTEGER, description="Place in the conversation, from 0."),
            Field(name="user_id", kind=Kind.STRING, description="Who asked."),
            Field(name="params", kind=Kind.OBJECT, description="Sampling parameters: temperature, top_p, …"),
            Field(name="input", kind=Kind.OBJECT, properties=_INPUT, description="What the model was given."),
            Field(name="output", kind=Kind.OBJECT, properties=_OUTPUT, description="What the model answered."),
            Field(
                name="exposed",
                kind=Kind.BOOLEAN,
                description="false: the output was never shown, so silence says nothing about it.",
            ),
            Field(
                name="propensity",
                kind=Kind.NUMBER,
                description="Probability with which this output or arm was chosen.",
            ),
            Field(
                name="components",
                kind=Kind.ARRAY,
                description="Routing path: `{name, kind, model_version, weight, output}`, in order.",
            ),
            Field(
                name="system", kind=Kind.OBJECT, properties=_SYSTEM, description="Latency, hardware and token counts."
            ),
        ),
        examples={
            1: (
                '{"request_id": "req_abc123", "timestamp": "2024-01-15T10:29:41Z", "model_name": "assistant", '
                '"model_version": "v4.2", "session_id": "s_17", "turn": 0, "user_id": "user_xyz", '
                '"params": {"temperature": 0.2}, "input": {"messages": [{"role": "user", '
                '"content": "What is the capital of France?"}]}, "output": {"text": "Lyon.", '
                '"alternatives": ["Lyon.", "Paris."]}}',
            )
        },
    )
)
