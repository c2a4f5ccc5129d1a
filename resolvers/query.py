"""Query: what can be read."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import strawberry

from gateway.auth.policy import Action, may, require
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from gateway.loaders.ledger import FIELD
from gateway.model import search as search_model
from gateway.model.ids import parse_id
from gateway.model.page import PageArgs
from resolvers.batching import Info
from resolvers.contact_view import granted
from resolvers.inputs.profile import ProfileRef
from resolvers.lookup import fetch_node, fetch_nodes
from resolvers.queries.attribute import AttributeQueries
from resolvers.queries.contact import ContactQueries
from resolvers.queries.feed import FeedQueries
from resolvers.queries.insight import InsightQueries
from resolvers.queries.merge import MergeQueries
from resolvers.queries.subgraph import SubgraphQueries
from resolvers.references import find_profile_id, find_profile_ids
from resolvers.search import SearchKeyInput, search_profiles
from resolvers.types.company import Company
from resolvers.types.enums import BooleanOperator
from resolvers.types.node import Node
from resolvers.types.profile import Profile, ProfileConnection
from resolvers.types.viewer import SearchKey, Viewer
from resolvers.viewer import ViewerValue

__all__ = ["Query"]

_MAX_IDS = 100


@strawberry.type(description="What can be read.")
class Query(ContactQueries, AttributeQueries, InsightQueries, MergeQueries, FeedQueries, SubgraphQueries):
    @strawberry.field(graphql_type=Node | None, description="Anything by its id; null when there is no such thing, or it is not yours.")
    async def node(self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id.")]) -> Any:  # noqa: A002
        return await fetch_node(info.context, id)

    @strawberry.field(
        graphql_type=list[Node | None], description="Up to 100 things by their ids, in the order asked; null for what is not there."
    )
    async def nodes(self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="The ids.")]) -> Any:
        _at_most(ids, "ids")
        return await fetch_nodes(info.context, ids)

    @strawberry.field(graphql_type=Viewer, description="Who is asking.")
    def viewer(self, info: Info) -> ViewerValue:
        return ViewerValue(info.context.principal)

    @strawberry.field(graphql_type=Profile | None, description="One profile; null when there is none, or it is not yours to see.")
    async def profile(self, info: Info, by: Annotated[ProfileRef, strawberry.argument(description="Which one.")]) -> Any:
        _answering(info)
        if not may(info.context.principal, Action.READ_PROFILE):
            return await _granted_profile(info.context, by)
        key = await find_profile_id(info.context, by)
        return None if key is None else await info.context.loaders.profile.load(key)

    @strawberry.field(graphql_type=list[Profile | None], description="Up to 100 at once, in the order asked; null where none is visible.")
    async def profiles(self, info: Info, by: Annotated[list[ProfileRef], strawberry.argument(description="Which ones.")]) -> Any:
        if not may(info.context.principal, Action.ASSOCIATE_CONTACT):
            require(info.context.principal, Action.READ_PROFILE)
        _at_most(by, "by")
        _answering(info)
        if not may(info.context.principal, Action.READ_PROFILE):
            return await asyncio.gather(*(_granted_profile(info.context, one) for one in by), return_exceptions=True)
        keys = await find_profile_ids(info.context, by)
        wanted = [key for key in keys if not isinstance(key, BaseException) and key is not None]
        found = dict(zip(wanted, await info.context.loaders.profile.load_many(wanted), strict=True))
        return [key if isinstance(key, BaseException) or key is None else found[key] for key in keys]

    @strawberry.field(graphql_type=ProfileConnection, description="1-5 keys like Amazon Connect, or free text; needs no active contact.")
    async def search_profiles(
        self,
        info: Info,
        keys: Annotated[list[SearchKeyInput] | None, strawberry.argument(description="Keys to match.")] = None,
        operator: Annotated[BooleanOperator, strawberry.argument(description="How keys combine.")] = BooleanOperator.AND,
        text: Annotated[str | None, strawberry.argument(description="A name, phone, e-mail or number, as a person types it.")] = None,
        first: Annotated[int, strawberry.argument(description="How many, 1 to 100.")] = 20,
        after: Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")] = None,
    ) -> Any:
        _answering(info)
        return await search_profiles(info.context, keys, operator, text, PageArgs.check(first, after))

    @strawberry.field(graphql_type=list[SearchKey], description="Keys that searchProfiles offers, in the order of a drop-down.")
    def search_keys(self, info: Info) -> list[search_model.SearchKey]:
        return search_model.search_keys(info.context.configuration)

    @strawberry.field(graphql_type=Company | None, description="A company by its id.")
    async def company(self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id.")]) -> Any:  # noqa: A002
        require(info.context.principal, Action.READ_PROFILE)
        return await info.context.loaders.company.load(parse_id(id, "com")[0])


def _answering(info: Info) -> None:
    """Let whoever is asked on this field's behalf know where it stands in the response."""
    FIELD.set(info._raw_info.path)  # noqa: SLF001  # the public Info gives a key of Strawberry's own


async def _granted_profile(context: OperationContext, by: ProfileRef) -> Any:
    """A profile for a viewer who may not read profiles as such, but this one, for the sake of an open contact; Forbidden in every other case.

    Only an id or a contact can name it: whether a phone or an e-mail is somebody's is itself not for this viewer to know.
    """
    if by.id is not None or by.contact_id is not None:
        key = await find_profile_id(context, by)
        if key is not None and await granted(context, key):
            return await context.loaders.profile.load(key)
    return require(context.principal, Action.READ_PROFILE)


def _at_most(values: list[Any], argument: str) -> None:
    if len(values) > _MAX_IDS:
        raise BadUserInput(f"At most {_MAX_IDS} at once.", argument=argument)
