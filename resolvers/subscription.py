"""Subscription: what is pushed as it happens.

Owns the arguments and the right to subscribe. Each field gives its stream away instead of passing its events on: a frame in between would keep the
request's whole information for as long as the stream lives.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from gateway.auth.policy import Action, require
from gateway.errors import BadUserInput, Forbidden
from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.events.desk import contact_events, may_watch_contacts
from resolvers.events.profile import profile_events
from resolvers.events.sources import source_events
from resolvers.events.timeline import timeline_events
from resolvers.inputs.timeline import TimelineFilter
from resolvers.timeline import timeline_filter_for
from resolvers.types.enums import ContactState
from resolvers.types.live import ContactEvent, ProfileEvent, SourceEvent, TimelineEvent
from resolvers.types.profile import Profile
from resolvers.types.scalars import StreamCursor

__all__ = ["Subscription"]

_PROFILE_FIELDS = frozenset(to_camel_case(field.python_name) for field in Profile.__strawberry_definition__.fields)  # type: ignore[attr-defined]
"""What a change can name, as clients write it."""

ProfileId = Annotated[strawberry.ID, strawberry.argument(description="The profile.")]
After = Annotated[StreamCursor | None, strawberry.argument(description="Resume behind this cursor; absent: from now on.")]


@strawberry.type(description="What is pushed as it happens. A stream of a profile that is not there, or not yours, ends without an event.")
class Subscription:
    @strawberry.subscription(
        graphql_type=ProfileEvent, description="The profile's state: after each change, or burst of changes, the profile as it is then."
    )
    async def profile_events(
        self,
        info: Info,
        profile_id: ProfileId,
        fields: Annotated[list[str] | None, strawberry.argument(description="Only changes of these fields of Profile.")] = None,
        after: After = None,
    ) -> AsyncGenerator[Any, None]:
        require(info.context.principal, Action.SUBSCRIBE)
        require(info.context.principal, Action.READ_PROFILE)
        unknown = [name for name in fields or () if name not in _PROFILE_FIELDS]
        if unknown:
            raise BadUserInput("fields names fields of Profile; one of them is none.", argument="fields")
        return profile_events(info.context, parse_id(profile_id, "prf", "profileId")[0], fields, after)

    @strawberry.subscription(graphql_type=TimelineEvent, description="Every new or changed timeline item, in order, none left out.")
    async def timeline_events(
        self,
        info: Info,
        profile_id: ProfileId,
        filter: Annotated[TimelineFilter | None, strawberry.argument(description="Only these items.")] = None,  # noqa: A002
        after: After = None,
    ) -> AsyncGenerator[Any, None]:
        require(info.context.principal, Action.SUBSCRIBE)
        require(info.context.principal, Action.READ_TIMELINE)
        key = parse_id(profile_id, "prf", "profileId")[0]
        chosen = await timeline_filter_for(info.context, filter)
        return timeline_events(info.context, key, chosen, after)

    @strawberry.subscription(
        graphql_type=ContactEvent,
        description="Screen pop: fires at OFFERED, before the agent accepts, and at each match/association change.",
    )
    async def contact_events(
        self,
        info: Info,
        agent_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose desk; absent: yours. Another's takes contact:read:all.")
        ] = None,
        states: Annotated[list[ContactState] | None, strawberry.argument(description="Only contacts in these states.")] = None,
        after: After = None,
    ) -> AsyncGenerator[Any, None]:
        principal = info.context.principal
        agent = principal.subject if agent_id is None else str(agent_id)
        require(principal, Action.SUBSCRIBE)
        if agent != principal.subject:
            require(principal, Action.READ_ALL_CONTACTS)
        elif not may_watch_contacts(principal, agent):
            raise Forbidden("These credentials do not allow this: the scope contact:associate is missing.", scope="contact:associate")
        chosen = None if states is None else frozenset(states)
        return contact_events(info.context, agent, chosen, after)

    @strawberry.subscription(graphql_type=SourceEvent, description="How the sources of your workspace stand, whenever that changes.")
    async def source_events(self, info: Info, after: After = None) -> AsyncGenerator[Any, None]:
        require(info.context.principal, Action.SUBSCRIBE)
        require(info.context.principal, Action.ADMINISTER)
        return source_events(info.context, after)
