"""What a federation router asks a subgraph: its schema, and entities by their keys. Joined by `resolvers.query`.

Entities come through the same loaders and the same policy as `node`: what is not there, or not the viewer's, is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import strawberry

from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from resolvers.batching import Info
from resolvers.lookup import fetch_nodes
from resolvers.subgraph import ENTITIES
from resolvers.types.activity import Interaction
from resolvers.types.company import Company
from resolvers.types.contact import Contact
from resolvers.types.profile import Profile
from resolvers.types.scalars import Representation

__all__ = ["SubgraphQueries"]

_MOST = 1000
"""Entities of one request: a router sends one representation per row of another subgraph's list."""

Entity = Annotated[Company | Contact | Interaction | Profile, strawberry.union("_Entity", description="What other subgraphs may extend.")]


@strawberry.type(name="_Service", description="The subgraph as a router composes it.")
class Service:
    sdl: str = strawberry.field(description="The schema with its federation directives.")


@strawberry.type
class SubgraphQueries:
    @strawberry.field(name="_service", description="For a federation router: this subgraph's schema.")
    def service(self) -> Service:
        return Service(sdl=_sdl())

    @strawberry.field(
        name="_entities",
        graphql_type=list[Entity | None],
        description="For a federation router: entities by their keys, in the order asked; null for what is not there or not yours.",
    )
    async def entities(
        self,
        info: Info,
        representations: Annotated[list[Representation], strawberry.argument(description="Objects of `__typename` and `id`.")],
    ) -> Any:
        return await _resolve(info.context, representations)


async def _resolve(context: OperationContext, representations: Sequence[Any]) -> list[Any]:
    if len(representations) > _MOST:
        raise BadUserInput(f"At most {_MOST} representations at once.", argument="representations")
    ids: list[str] = []
    for index, one in enumerate(representations):
        known = isinstance(one, dict) and one.get("__typename") in ENTITIES and isinstance(one.get("id"), str)
        if not known or not one["id"].startswith(f"{ENTITIES[one['__typename']]}_"):
            raise BadUserInput(
                f"A representation is an object of __typename (one of {', '.join(ENTITIES)}) and its id.",
                argument=f"representations.{index}",
            )
        ids.append(one["id"])
    return await fetch_nodes(context, ids)


@lru_cache(maxsize=1)
def _sdl() -> str:
    from resolvers.schema import schema_text  # the schema is made of this module

    return schema_text()
