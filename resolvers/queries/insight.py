"""Root query fields of interests. Joined by `resolvers.query`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.auth.policy import Action, require
from gateway.model.page import PageArgs
from resolvers.batching import Info
from resolvers.insights import topic_page
from resolvers.types.insight import InterestTopicConnection

__all__ = ["InsightQueries"]


@strawberry.type
class InsightQueries:
    @strawberry.field(graphql_type=InterestTopicConnection, description="The catalogue of topics that interests are about, by name.")
    async def interest_topics(
        self,
        info: Info,
        search: Annotated[str | None, strawberry.argument(description="Only topics that contain this, in any case.")] = None,
        category: Annotated[str | None, strawberry.argument(description="Only topics of this category.")] = None,
        first: Annotated[int, strawberry.argument(description="How many, 1 to 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")] = None,
    ) -> Any:
        require(info.context.principal, Action.READ_PROFILE)
        return await topic_page(info.context, PageArgs.check(first, after), search, category)
