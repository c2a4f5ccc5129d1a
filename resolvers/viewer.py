"""The value behind `Viewer`: the principal as it sees itself, and its desk. Called by the root field `viewer` and by `types.viewer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.auth.policy import is_agent_of
from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.loaders.contacts import ContactLoaders
from gateway.model.actor import Actor
from gateway.model.change import desk_stream
from gateway.model.contact import Contact, ContactState

__all__ = ["ViewerValue", "desk_contacts", "desk_cursor"]

_OPEN = frozenset(ContactState) - {ContactState.CLOSED}


@dataclass(frozen=True, slots=True)
class ViewerValue:
    """Who is asking and what the credentials allow."""

    principal: Principal

    @property
    def actor(self) -> Actor:
        """As it shows in what it writes."""
        return self.principal.actor

    @property
    def scopes(self) -> list[str]:
        """What the credentials allow, sorted."""
        return sorted(self.principal.scopes)


async def desk_contacts(context: OperationContext, states: Sequence[ContactState] | None) -> Sequence[Contact]:
    """The viewer's own contacts, newest first; read behind the position of the desk, so that `desk_cursor` never lies ahead of them."""
    loaders, subject = context.loaders.of(ContactLoaders), context.principal.subject
    await loaders.desk.load(subject)
    found = await loaders.of_agents(_OPEN if states is None else frozenset(states)).load(subject)
    return [contact for contact in found if is_agent_of(context.principal, contact)]


async def desk_cursor(context: OperationContext) -> str:
    """Where the viewer's desk stands; the stream exists from then on."""
    principal = context.principal
    position = await context.loaders.of(ContactLoaders).desk.load(principal.subject)
    return context.services.hub.cursors.encode(desk_stream(principal.workspace_id, principal.subject), position)
