"""The erasure event: whom the platform has to forget (CONTRACT section 2)."""

from orchestration.contracts.fields import Field, Kind, Stream
from orchestration.contracts.versions import with_versions

ERASURES = with_versions(
    Stream(
        name="erasures",
        event="erasure",
        version=1,
        description="Whom to forget: everything that the person sent, up to the time of the event.",
        fields=(
            Field(name="schema_version", kind=Kind.INTEGER, description="Version of this schema; absent means 1."),
            Field(
                name="user_id",
                kind=Kind.STRING,
                required=True,
                column="subject",
                description="The person, as their events name them. The ledger keeps a keyed hash in its place, and so "
                "does the landing file once the erasure is complete.",
            ),
            Field(
                name="timestamp",
                kind=Kind.TIMESTAMP,
                column="erased_at",
                description="Events up to this time are erased, also those that arrive later; absent, it is the end of "
                "the received date.",
            ),
            Field(name="reason", kind=Kind.STRING, description="Why, for the report; no place for personal data."),
        ),
        examples={1: ('{"user_id": "user_xyz", "reason": "asked by mail, ticket 4711"}',)},
    )
)
