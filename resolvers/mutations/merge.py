"""Mutations of merges. Joined by `resolvers.mutation`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.inputs.merge import MergeProfilesInput
from resolvers.payloads import deleted, merge_result
from resolvers.types.merge import MergePayload
from resolvers.types.payload import DeletePayload

__all__ = ["MergeMutations"]


@strawberry.type
class MergeMutations:
    @strawberry.mutation(graphql_type=MergePayload, description="Make one profile of several. Nothing is lost, and it can be taken back.")
    async def merge_profiles(
        self,
        info: Info,
        input: Annotated[MergeProfilesInput, strawberry.argument(description="Which ones.")],  # noqa: A002
    ) -> Any:
        return await merge_result(info.context, info.context.services.commands.merging.merge(info.context.principal, input.command()))

    @strawberry.mutation(
        graphql_type=MergePayload,
        description="Take a merge back: what was there goes back as it is now, what came later stays with the survivor.",
    )
    async def unmerge_profiles(self, info: Info, merge_id: Annotated[strawberry.ID, strawberry.argument(description="The merge.")]) -> Any:
        key = parse_id(merge_id, "mrg", "mergeId")[0]
        return await merge_result(info.context, info.context.services.commands.merging.unmerge(info.context.principal, key))

    @strawberry.mutation(graphql_type=DeletePayload, description="Say that two profiles are two people; the pair is never proposed again.")
    async def dismiss_merge_proposal(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The proposal.")],  # noqa: A002
        reason: Annotated[str | None, strawberry.argument(description="Why they are not one person.")] = None,
    ) -> Any:
        command = info.context.services.commands.merging.dismiss(info.context.principal, parse_id(id, "mpr")[0], reason)
        return await deleted(info.context, id, command)
