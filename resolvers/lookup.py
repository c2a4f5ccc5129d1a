"""`node` and `nodes`: anything by its id, if the viewer may read it.

Owns the table from an id's prefix to the loader that fetches it. What is not there, not the viewer's, or of another workspace is null alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from gateway.auth.policy import Action, mask_of, may
from gateway.commands.attributes import key_problem
from gateway.engine.context import OperationContext
from gateway.errors import BadUserInput
from gateway.loaders.changes import ChangeLoaders
from gateway.loaders.layouts import LayoutLoaders
from gateway.loaders.merges import MergeLoaders
from gateway.model.activity import Interaction, parse_item_id
from gateway.model.ids import parse_id
from gateway.sources.contract import Contacts
from resolvers.contact_view import find_contact, granted
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
    return value if action is None or may(context.principal, action) else None


async def fetch_nodes(context: OperationContext, ids: Sequence[str]) -> list[Any]:
    """The thing of each id; what is wrong with one is its own element."""
    return await asyncio.gather(*(fetch_node(context, text) for text in ids), return_exceptions=True)


async def _profile(context: OperationContext, text: str) -> Any:
    key = parse_id(text, "prf")[0]
    readable = may(context.principal, Action.READ_PROFILE) or await granted(context, key)
    return await context.loaders.profile.load(key) if readable else None


async def _contact(context: OperationContext, text: str) -> Any:
    return await find_contact(context, parse_id(text, "con")[0])


async def _note(context: OperationContext, text: str) -> Any:
    profile_id, note_id = parse_id(text, "note")
    return await context.loaders.note.load((profile_id, note_id))


async def _change(context: OperationContext, text: str) -> Any:
    profile_id, change_id = parse_id(text, "chg")
    return await context.loaders.of(ChangeLoaders).change.load((profile_id, change_id))


async def _company(context: OperationContext, text: str) -> Any:
    return await context.loaders.company.load(parse_id(text, "com")[0])


async def _point(context: OperationContext, text: str) -> Any:
    profile_id, point_id = parse_id(text, "cpt")
    contacts = await _contacts(context, profile_id)
    mask = mask_of(context.principal)
    return next((shown_point(point, mask) for point in contacts.points if point.point_id == point_id), None)


async def _identifier(context: OperationContext, text: str) -> Any:
    profile_id, identifier_id = parse_id(text, "idn")
    contacts = await _contacts(context, profile_id)
    mask, sensitive = mask_of(context.principal), context.configuration.sensitive
    return next((shown_identifier(one, mask, sensitive) for one in contacts.identifiers if one.identifier_id == identifier_id), None)


async def _contacts(context: OperationContext, profile_id: UUID) -> Contacts:
    """How the profile is reached; of one that was merged away, how its survivor is."""
    contacts = await context.loaders.contacts.load(profile_id)
    if contacts.points or contacts.identifiers:
        return contacts
    survivor = await context.loaders.survivor(profile_id)
    return contacts if survivor is None else await context.loaders.contacts.load(survivor)


async def _item(context: OperationContext, text: str) -> Any:
    item = await context.loaders.item.load(parse_item_id(text))
    # External activities are no Node in the contract; and an id that names another source than the item's is not the item's id.
    return item if isinstance(item, Interaction) and parse_item_id(item.id)[1:] == parse_item_id(text)[1:] else None


async def _source(context: OperationContext, text: str) -> Any:
    registry, watch = context.services.registry.seen_by(context.principal.workspace_key), context.services.watch
    source = await registry.find(context.principal.workspace_id, text.removeprefix("src_"))
    # A label has no state, though a source of another workspace may be named like it.
    return source if source is None or watch is None or source.key not in registry.known() else watch.present(source)


async def _attribute(context: OperationContext, text: str) -> Any:
    key, configuration = text.removeprefix("atd_"), context.configuration
    open_key = not configuration.strict_attributes and key_problem(key) is None
    return configuration.by_key.get(key) or (configuration.definition(key) if open_key else None)


async def _layout(context: OperationContext, text: str) -> Any:
    try:
        return await context.loaders.of(LayoutLoaders).layout.load(text.removeprefix("lay_"))
    except BadUserInput:
        return None


async def _merge(context: OperationContext, text: str) -> Any:
    return await context.loaders.of(MergeLoaders).record.load(parse_id(text, "mrg")[0])


async def _proposal(context: OperationContext, text: str) -> Any:
    return await context.loaders.of(MergeLoaders).proposal.load(parse_id(text, "mpr")[0])


_FETCH: dict[str, tuple[Action | None, Callable[[OperationContext, str], Awaitable[Any]]]] = {
    "prf": (None, _profile),
    "con": (None, _contact),
    "note": (Action.READ_NOTES, _note),
    "chg": (Action.READ_CHANGES, _change),
    "com": (Action.READ_PROFILE, _company),
    "cpt": (Action.READ_PROFILE, _point),
    "idn": (Action.READ_PROFILE, _identifier),
    "act": (Action.READ_TIMELINE, _item),
    "src": (Action.READ_PROFILE, _source),
    "mrg": (Action.READ_PROFILE, _merge),
    "mpr": (Action.READ_PROFILE, _proposal),
    "atd": (Action.READ_PROFILE, _attribute),
    "lay": (Action.READ_PROFILE, _layout),
}
"""Prefix → the right it takes (None: the fetch itself looks at whose it is), and the fetch."""
