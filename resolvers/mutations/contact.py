"""Mutations of contacts. Joined by `resolvers.mutation`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.model.ids import parse_id
from resolvers.batching import Info
from resolvers.contact_payloads import contact_result
from resolvers.inputs.contact import OpenContactInput, UpdateContactInput
from resolvers.types.contact import ContactPayload

__all__ = ["ContactMutations"]

ContactId = Annotated[strawberry.ID, strawberry.argument(description="The contact.")]


@strawberry.type
class ContactMutations:
    @strawberry.mutation(
        graphql_type=ContactPayload, description="A contact arrives: shows it on its agent's desk and looks up who it may be from."
    )
    async def open_contact(
        self,
        info: Info,
        input: Annotated[OpenContactInput, strawberry.argument(description="The contact.")],  # noqa: A002
    ) -> Any:
        command = info.context.services.commands.contacts.open(info.context.principal, input.command())
        return await contact_result(info.context, command)

    @strawberry.mutation(
        graphql_type=ContactPayload, description="Move a contact on, or add to what is known of it; CLOSED writes it to the timeline."
    )
    async def update_contact(
        self,
        info: Info,
        input: Annotated[UpdateContactInput, strawberry.argument(description="The changes.")],  # noqa: A002
    ) -> Any:
        command = info.context.services.commands.contacts.update(info.context.principal, input.command())
        return await contact_result(info.context, command)

    @strawberry.mutation(
        graphql_type=ContactPayload,
        description="Say from whom a contact is, as often as it takes until it is closed; the last word counts.",
    )
    async def associate_contact(
        self,
        info: Info,
        contact_id: ContactId,
        profile_id: Annotated[strawberry.ID, strawberry.argument(description="The profile.")],
        verified_keys: Annotated[
            list[str] | None, strawberry.argument(description="What the customer confirmed, up to 10 names of your own choice.")
        ] = None,
    ) -> Any:
        ids = parse_id(contact_id, "con", "contactId")[0], parse_id(profile_id, "prf", "profileId")[0]
        command = info.context.services.commands.contacts.associate(info.context.principal, *ids, verified_keys)
        return await contact_result(info.context, command)

    @strawberry.mutation(
        graphql_type=ContactPayload,
        description="Detaches and suppresses automatic re-linking for this contact; never touches the profile's contact points.",
    )
    async def unlink_contact(
        self,
        info: Info,
        contact_id: ContactId,
        reason: Annotated[str | None, strawberry.argument(description="Why, for the record.")] = None,
    ) -> Any:
        key = parse_id(contact_id, "con", "contactId")[0]
        return await contact_result(info.context, info.context.services.commands.contacts.unlink(info.context.principal, key, reason))
