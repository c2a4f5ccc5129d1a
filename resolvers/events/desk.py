"""`contactEvents`: the screen pop of an agent's desk. Called by the root field of `Subscription`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection

from gateway.auth.policy import Action, may
from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.errors import Forbidden
from gateway.live.feed import START_PATIENCE, complete, patiently
from gateway.loaders.contacts import ContactLoaders
from gateway.model.change import ChangeKind, Entry, desk_stream
from gateway.model.configuration import Feature
from gateway.model.contact import Contact, ContactState
from resolvers.events.delivery import Delivery
from resolvers.events.values import ContactEvent, LiveValue

__all__ = ["contact_events", "may_watch_contacts"]

_ANY = (Action.ASSOCIATE_CONTACT, Action.READ_ALL_CONTACTS, Action.WRITE_CONTACT)


async def contact_events(
    context: OperationContext, agent: str, states: Collection[ContactState] | None, after: str | None
) -> AsyncGenerator[LiveValue]:
    """Every change of an agent's contacts in order, each with the contact as it is now; with `states` only of those in one of them.

    A contact that was handed to another agent comes once more, with that agent: it is to leave this screen.
    """
    if Feature.CONTACTS not in context.configuration.features:
        raise Forbidden("Contacts are switched off in this workspace.")
    workspace = context.principal.workspace_id

    def allowed(principal: Principal) -> bool:
        return may_watch_contacts(principal, agent)

    delivery = Delivery(context, desk_stream(workspace, agent), "contacts", allowed)
    await patiently(lambda: context.fork().loaders.of(ContactLoaders).desk.load(agent), START_PATIENCE)  # a desk may be empty as yet
    async with delivery.steps(complete, after) as steps:
        async for step in steps:
            event: LiveValue | None = None
            if isinstance(step, tuple):
                contact = await _contact(context, step[1])
                if contact is not None and (states is None or contact.state in states):
                    event = ContactEvent(*delivery.place(step[0], step[1].at), contact)
            for value in delivery.said(step, event):
                yield value
            if delivery.is_over:
                return


async def _contact(context: OperationContext, entry: Entry) -> Contact | None:
    contact_id = entry.entity_id
    if entry.kind is not ChangeKind.CONTACT or contact_id is None:
        return None
    return await patiently(lambda: context.fork().loaders.of(ContactLoaders).contact.load(contact_id))


def may_watch_contacts(principal: Principal, agent: str) -> bool:
    """Whether the principal may watch this agent's desk: their own, or anybody's with `contact:read:all`."""
    own = agent == principal.subject and any(may(principal, action) for action in _ANY)
    return may(principal, Action.SUBSCRIBE) and (own or may(principal, Action.READ_ALL_CONTACTS))
