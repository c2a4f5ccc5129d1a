"""What is known of a person beyond attributes: interests, consents, segments.

Fields of `Profile`; `resolvers.types.profile` takes them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import strawberry

from gateway.loaders.insights import InsightLoaders
from gateway.model import profile as model
from gateway.model.configuration import Feature
from gateway.model.page import PageArgs
from resolvers.batching import BatchInfo, batched
from resolvers.insights import interest_page
from resolvers.types.insight import Consent, InterestConnection, Segment

__all__ = ["ProfileInsights"]


@strawberry.type
class ProfileInsights:
    @batched(type=InterestConnection, description="What the person has shown an interest in, the strongest first.")
    async def interests(
        parents: Sequence[model.Profile],  # noqa: N805
        info: BatchInfo,
        first: Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")] = None,
        category: Annotated[str | None, strawberry.argument(description="Only topics of this category.")] = None,
    ) -> Sequence[object]:
        context = info.context
        window, show = interest_page(context, PageArgs.check(first, after), category)
        if Feature.INSIGHTS not in context.configuration.features:
            return [show(())] * len(parents)
        answers = await context.loaders.of(InsightLoaders).interests(window).load_many([profile.profile_id for profile in parents])
        return [answer if isinstance(answer, BaseException) else show(answer) for answer in answers]

    @batched(type=list[Consent], description="What the person said to each purpose, by purpose.")
    async def consents(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await info.context.loaders.of(InsightLoaders).consents.load_many([profile.profile_id for profile in parents])

    @batched(type=list[Segment], description="Audiences the person is in, by key.")
    async def segments(parents: Sequence[model.Profile], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        if Feature.INSIGHTS not in info.context.configuration.features:
            return [()] * len(parents)
        return await info.context.loaders.of(InsightLoaders).segments.load_many([profile.profile_id for profile in parents])
