"""Mutations of sessions: presence, newer credentials, disconnecting somebody. Joined by `resolvers.mutation`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.commands.presence import set_viewing
from gateway.commands.sessions import disconnect_subject, refresh_session
from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.types.viewer import Viewer
from resolvers.viewer import ViewerValue

__all__ = ["SessionMutations"]


@strawberry.type
class SessionMutations:
    @strawberry.mutation(
        description="Say that you look at a profile now, and at no other: ViewersChanged tells whoever else has it open. Ends with the socket; "
        "over HTTP after 30 seconds unless repeated. False when there is no such profile."
    )
    async def set_viewing(
        self,
        info: Info,
        profile_id: Annotated[strawberry.ID, strawberry.argument(description="The profile.")],
        editing: Annotated[bool, strawberry.argument(description="Whether you are editing it.")] = False,
    ) -> bool:
        context = info.context
        assert context.services.presence is not None
        (key,) = parse_id(profile_id, "prf", "profileId")
        return await set_viewing(context.services.presence, context.configuration, context.principal, context.session, key, editing=editing)

    @strawberry.mutation(
        graphql_type=Viewer,
        description="Go on with a newer token on this socket: its streams live as long as the new token. It must be of the same subject and "
        "workspace. Only over WebSocket.",
    )
    async def refresh_session(
        self, info: Info, token: Annotated[str, strawberry.argument(description="The token, without the word Bearer.")]
    ) -> Any:
        context = info.context
        assert context.services.gate is not None
        return ViewerValue(await refresh_session(context.services.gate, context.session, token))

    @strawberry.mutation(
        description="Close every socket of a subject within five seconds and refuse what was issued to it before. True also when nobody was "
        "connected."
    )
    async def disconnect_subject(
        self,
        info: Info,
        subject: Annotated[str, strawberry.argument(description="Whom: the subject of its credentials.")],
        reason: Annotated[str, strawberry.argument(description="Why, for the record.")],
    ) -> bool:
        services = info.context.services
        await disconnect_subject(services.commands.writer, services.hub, info.context.principal, subject, reason)
        return True
