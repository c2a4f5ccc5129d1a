"""Mutations of consents. Joined by `resolvers.mutation`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.payloads import profile_result
from resolvers.types.enums import Channel, ConsentStatus
from resolvers.types.payload import ProfilePayload

__all__ = ["ConsentMutations"]


@strawberry.type
class ConsentMutations:
    @strawberry.mutation(
        graphql_type=ProfilePayload, description="Take down what the person said to a purpose; the same again changes nothing."
    )
    async def set_consent(
        self,
        info: Info,
        profile_id: Annotated[strawberry.ID, strawberry.argument(description="The profile.")],
        purpose: Annotated[str, strawberry.argument(description="What it is about, e.g. marketing; 1 to 128 characters.")],
        status: Annotated[ConsentStatus, strawberry.argument(description="What the person said.")],
        channel: Annotated[Channel | None, strawberry.argument(description="The channel it is about; all when it is left out.")] = None,
        expires_at: Annotated[datetime | None, strawberry.argument(description="When it runs out, in the future.")] = None,
    ) -> Any:
        command = info.context.services.commands.consents.set(
            info.context.principal, parse_id(profile_id, "prf", "profileId")[0], purpose, channel, status, expires_at
        )
        return await profile_result(info.context, command)
