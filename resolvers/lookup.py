"""`node` and `nodes`: anything by its id, if the viewer may read it.

Owns the table from an id's prefix to the loader that fetches it. What is not there, not the viewer's, or of another workspace is null alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.auth.policy import Action, mask_of, may
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from gateway.model.activity import Interaction, parse_item_id
from gateway.model.ids import parse_id
from resolvers.types.contact_point import shown_identifier, shown_point

__all__ = ["fetch_node", "fetch_nodes"]


async def fetch_node(context: OperationContext, text: str) -> Any:
    """The thing of this id, or None.

    Raises:
        BadUserInput: it is not an id.
    """
    prefix = text.partition("_")[0]
    found = _FETCH.get(prefix)
    if found is None:
        raise BadUserInput("id is not an id of this server; ids are opaque, pass them on as they were given.", argument="id")
    action, fetch = found
    value = await fetch(context, text)
    return value if may(context.principal, action) else None


async def fetch_nodes(context: OperationContext, ids: Sequence[str]) -> list[Any]:
    """The thing of each id; what is wrong with one is its own element."""
    return await asyncio.gather(*(fetch_node(context, text) for text in ids), return_exceptions=True)


async def _profile(context: OperationContext, text: str) -> Any:
    return await context.loaders.profile.load(parse_id(text, "prf")[0])


async def _note(context: OperationContext, text: str) -> Any:
    profile_id, note_id = parse_id(text, "note")
    return await context.loaders.note.load((profile_id, note_id))


async def _company(context: OperationContext, text: str) -> Any:
    return await context.loaders.company.load(parse_id(text, "com")[0])


async def _point(context: OperationContext, text: str) -> Any:
    profile_id, point_id = parse_id(text, "cpt")
    contacts = await context.loaders.contacts.load(profile_id)
    mask = mask_of(context.principal)
    return next((shown_point(point, mask) for point in contacts.points if point.point_id == point_id), None)


async def _identifier(context: OperationContext, text: str) -> Any:
    profile_id, identifier_id = parse_id(text, "idn")
    contacts = await context.loaders.contacts.load(profile_id)
    mask = mask_of(context.principal)
    return next((shown_identifier(one, mask) for one in contacts.identifiers if one.identifier_id == identifier_id), None)


async def _item(context: OperationContext, text: str) -> Any:
    item = await context.loaders.item.load(parse_item_id(text))
    # External activities are no Node in the contract; and an id that names another source than the item's is not the item's id.
    return item if isinstance(item, Interaction) and item.id == text else None


async def _source(context: OperationContext, text: str) -> Any:
    return await context.services.registry.find(context.principal.workspace_id, text.removeprefix("src_"))


_FETCH: dict[str, tuple[Action, Callable[[OperationContext, str], Awaitable[Any]]]] = {
    "prf": (Action.READ_PROFILE, _profile),
    "note": (Action.READ_NOTES, _note),
    "com": (Action.READ_PROFILE, _company),
    "cpt": (Action.READ_PROFILE, _point),
    "idn": (Action.READ_PROFILE, _identifier),
    "act": (Action.READ_TIMELINE, _item),
    "src": (Action.READ_PROFILE, _source),
}
