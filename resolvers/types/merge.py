"""Merges: several profiles that became one, pairs that may be one, and what a merge would do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import strawberry

from gateway.model import merge as model
from resolvers.batching import BatchInfo, batched
from resolvers.types.node import Node, UserError
from resolvers.types.profile import Profile
from resolvers.types.scalars import StreamCursor
from resolvers.types.source import Actor
from resolvers.types.trait import CategoryCount, TraitCandidate

__all__ = ["MergeField", "MergePayload", "MergePreview", "MergeProposal", "MergeRecord"]


@strawberry.type(description="Several profiles that became one. It can be taken back.")
class MergeRecord(Node):
    id: strawberry.ID = strawberry.field(description="The merge's id.")

    @batched(type=Profile, description="The profile that stayed (where it was merged itself since, the one it went into).")
    async def survivor(parents: Sequence[model.MergeRecord], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await info.context.loaders.profile.load_many([merge.survivor_id for merge in parents])

    merged_ids: list[strawberry.ID] = strawberry.field(description="The profiles that went into it.")
    by: Actor = strawberry.field(description="Who merged them.")
    at: datetime = strawberry.field(description="When.")
    undone_at: datetime | None = strawberry.field(description="When it was taken back.")
    can_undo: bool = strawberry.field(
        description="Whether it can be taken back: it was not yet, the survivor is a living profile, and no later merge into it stands."
    )


@strawberry.type(description="Two profiles that may be one person. Nothing is merged by itself: someone decides.")
class MergeProposal(Node):
    id: strawberry.ID = strawberry.field(description="The proposal's id.")

    @batched(type=list[Profile], description="The two profiles.")
    async def profiles(parents: Sequence[model.MergeProposal], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        wanted = list(dict.fromkeys(key for proposal in parents for key in proposal.profile_ids))
        found = dict(zip(wanted, await info.context.loaders.profile.load_many(wanted), strict=True))
        return [[found[key] for key in proposal.profile_ids] for proposal in parents]

    score: float = strawberry.field(description="How likely, 0 to 1; half where they differ in an identifier that two people never share.")
    rule: str = strawberry.field(description="Why: email, phone_and_name, phone or alias.")
    created_at: datetime = strawberry.field(description="When it was made.")


@strawberry.type(description="A field in which the profiles differ.")
class MergeField:
    field: str = strawberry.field(description="A field of Profile, or an attribute's key.")
    winner: TraitCandidate = strawberry.field(description="The value the survivor will show.")
    alternatives: list[TraitCandidate] = strawberry.field(description="The others' values.")


@strawberry.type(description="What a merge would do.")
class MergePreview:
    survivor: Profile = strawberry.field(
        description="The survivor with its fields as they would be; what belongs to it is shown as it is now."
    )
    fields: list[MergeField] = strawberry.field(description="Where the profiles differ, and whose value would win.")
    moves: list[CategoryCount] = strawberry.field(description="How much would move to the survivor, by kind.")
    warnings: list[str] = strawberry.field(description="What speaks against it.")


@strawberry.type(description="Answer of a merge, or of its undoing.")
class MergePayload:
    merge: MergeRecord | None = strawberry.field(description="The merge as it is now.")
    user_errors: list[UserError] = strawberry.field(
        description="What was refused; empty when the change was made. When it is not, nothing was changed."
    )
    stream_cursor: StreamCursor | None = strawberry.field(
        description="Where the survivor's stream stands with this change: subscribe after it to see only what follows."
    )
