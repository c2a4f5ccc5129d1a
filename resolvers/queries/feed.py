"""Root query fields of the workspace feed and sources. Joined by `resolvers.query`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.auth.policy import Action, require
from resolvers.batching import Info
from resolvers.feed import feed_page, sources_of
from resolvers.types.change import ChangeConnection
from resolvers.types.scalars import FeedCursor
from resolvers.types.source import Source

__all__ = ["FeedQueries"]


@strawberry.type
class FeedQueries:
    @strawberry.field(
        graphql_type=ChangeConnection,
        description="Every change of every profile, in the order of transactions: for a copy elsewhere. Go on behind feedCursor, also after an "
        "empty page; without `after` it begins with the oldest change that is kept.",
    )
    async def changes(
        self,
        info: Info,
        after: Annotated[FeedCursor | None, strawberry.argument(description="Go on behind this position.")] = None,
        first: Annotated[int, strawberry.argument(description="How many, 1 to 1000.")] = 100,
    ) -> Any:
        return await feed_page(info.context, after, first)

    @strawberry.field(graphql_type=list[Source], description="Every source of your workspace, the highest priority first, as it stands.")
    async def sources(self, info: Info) -> Any:
        require(info.context.principal, Action.READ_PROFILE)
        return await sources_of(info.context)
