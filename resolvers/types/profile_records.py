"""What the gateway itself keeps about a profile: its contacts, changes and merge proposals.

Fields of `Profile`; `resolvers.types.profile` takes them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import strawberry

from gateway.loaders.merges import MergeLoaders
from gateway.model import profile as model
from gateway.model.page import PageArgs
from resolvers.batching import BatchInfo, batched
from resolvers.changes import changes_of_profiles
from resolvers.contact_view import contacts_of_profiles

__all__ = ["ProfileRecords"]


@strawberry.type
class ProfileRecords:
    @batched(
        type=Annotated["ContactConnection", strawberry.lazy("resolvers.types.contact")],  # noqa: F821
        description="Live contacts associated with the person, newest first: your own, or everybody's if you oversee contacts.",
    )
    async def contacts(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        open: Annotated[bool | None, strawberry.argument(description="Only open ones, or only closed ones.")] = None,  # noqa: A002
        first: Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 100.")] = 10,
        after: Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")] = None,
    ) -> Sequence[object]:
        page = PageArgs.check(first, after, default=10)
        return await contacts_of_profiles(info.context, [profile.profile_id for profile in parents], open, page)

    @batched(
        type=list[Annotated["MergeProposal", strawberry.lazy("resolvers.types.merge")]],  # type: ignore[name-defined]  # noqa: F821
        description="Other profiles that may be the same person, the likeliest first; 50 at most.",
    )
    async def merge_proposals(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await info.context.loaders.of(MergeLoaders).proposals.load_many([profile.profile_id for profile in parents])

    @batched(
        type=Annotated["ChangeConnection", strawberry.lazy("resolvers.types.change")],  # noqa: F821
        description="Who did what to the profile, newest first.",
    )
    async def changes(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        first: Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")] = None,
    ) -> Sequence[object]:
        return await changes_of_profiles(info.context, [profile.profile_id for profile in parents], PageArgs.check(first, after))
