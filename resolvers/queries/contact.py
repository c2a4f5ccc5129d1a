"""Root query fields of live contacts. Joined by `resolvers.query`."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.auth.policy import Action, require
from gateway.model.ids import parse_id
from gateway.model.page import PageArgs
from resolvers.batching import Info
from resolvers.contact_view import contacts_found, find_contact
from resolvers.inputs.contact import ContactFilter, contact_filter
from resolvers.types.contact import Contact, ContactConnection

__all__ = ["ContactQueries"]


@strawberry.type
class ContactQueries:
    @strawberry.field(graphql_type=Contact | None, description="A live contact; null when there is none, or it is not yours to see.")
    async def contact(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The contact.")],  # noqa: A002
    ) -> Any:
        return await find_contact(info.context, parse_id(id, "con")[0])

    @strawberry.field(graphql_type=ContactConnection, description="Contacts of every agent, newest first.")
    async def contacts(
        self,
        info: Info,
        filter: Annotated[ContactFilter | None, strawberry.argument(description="Which ones.")] = None,  # noqa: A002
        first: Annotated[int, strawberry.argument(description="How many, 1 to 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")] = None,
    ) -> Any:
        require(info.context.principal, Action.READ_ALL_CONTACTS)
        return await contacts_found(info.context, contact_filter(filter), PageArgs.check(first, after))
