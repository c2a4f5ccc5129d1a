"""Live contacts as one viewer may see them: which contacts, which of their profiles, and how much of their values.

Owns the answer to "may this viewer read that profile" where an open contact grants it: without `profile:read`, an agent with
`contact:associate` reads the candidates and the association of its own open contacts. Called by root fields and `types.contact`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action, mask_of, mask_text, may, oversees_contacts, readable_contact
from gateway.engine.context import OperationContext
from gateway.identity import EMAIL, PHONE, lookup_key
from gateway.loaders.contacts import ContactLoaders
from gateway.model.configuration import Configuration
from gateway.model.contact import Contact, ContactFilter
from gateway.model.page import Connection, PageArgs
from gateway.model.profile import MaskState, MatchedKey, Profile
from gateway.records.contacts import ContactWindow, contacts_page
from resolvers.pages import open_uuid, seal_uuid
from resolvers.types.contact_point import masked

__all__ = [
    "contacts_found",
    "contacts_of_profiles",
    "find_contact",
    "granted",
    "shown_address",
    "shown_attributes",
    "shown_key",
    "visible_profiles",
]

_OPEN_KEYS: Final = frozenset({"name", "profile_id"})
"""Search keys whose values are no contact values: names and ids are not masked anywhere."""


async def find_contact(context: OperationContext, contact_id: UUID) -> Contact | None:
    """The contact, if the viewer may see it."""
    contact = await context.loaders.of(ContactLoaders).contact.load(contact_id)
    return contact if contact is not None and readable_contact(context.principal, contact) else None


async def granted(context: OperationContext, profile_id: UUID) -> bool:
    """Whether an open contact of the viewer lets it read the profile."""
    if not may(context.principal, Action.ASSOCIATE_CONTACT):
        return False
    return await context.loaders.of(ContactLoaders).granted_to(context.principal.subject).load(profile_id)


async def visible_profiles(context: OperationContext, ids: Sequence[UUID]) -> Mapping[UUID, Profile | BaseException]:
    """Those of the profiles that are there and that the viewer may read, all in one read."""
    wanted = list(dict.fromkeys(ids))
    if not may(context.principal, Action.READ_PROFILE):
        if not may(context.principal, Action.ASSOCIATE_CONTACT):
            return {}
        grants = await context.loaders.of(ContactLoaders).granted_to(context.principal.subject).load_many(wanted)
        wanted = [key for key, grant in zip(wanted, grants, strict=True) if grant is True]
    found = await context.loaders.profile.load_many(wanted)
    return {key: profile for key, profile in zip(wanted, found, strict=True) if profile is not None}


async def contacts_of_profiles(
    context: OperationContext, profiles: Sequence[UUID], is_open: bool | None, page: PageArgs
) -> Sequence[Connection[Contact] | BaseException]:
    """A page of each profile's contacts, newest first: whoever does not oversee contacts finds own ones."""
    cursor_of, before = _cursor(context, page)
    agent = None if oversees_contacts(context.principal) else context.principal.subject
    window = ContactWindow(page.limit + 1, before, is_open, agent)
    answers = await context.loaders.of(ContactLoaders).of_profiles(window).load_many(profiles)
    return [answer if isinstance(answer, BaseException) else _page(answer, page, cursor_of) for answer in answers]


async def contacts_found(context: OperationContext, chosen: ContactFilter, page: PageArgs) -> Connection[Contact]:
    """A page of the workspace's contacts, newest first."""
    cursor_of, before = _cursor(context, page)
    assert context.services.database is not None
    found = await contacts_page(context.services.database, context.principal.workspace_id, chosen, before, page.limit + 1)
    return _page(found, page, cursor_of)


def shown_address(contact: Contact, context: OperationContext) -> str | None:
    """The address behind the viewer's mask, as a contact point with it would be shown."""
    mask = mask_of(context.principal)
    if mask is MaskState.CLEAR or contact.address is None:
        return contact.address
    if mask is MaskState.HIDDEN:
        return None
    if contact.normalized is None:
        return mask_text(contact.address)
    return masked(lookup_key(contact.channel, contact.custom_channel), contact.normalized)


def shown_attributes(contact: Contact, context: OperationContext) -> dict[str, Any] | None:
    """The attributes; SENSITIVE ones show nothing to anybody, those that reach or identify a person are masked like contact points."""
    if contact.attributes is None:
        return None
    clear = mask_of(context.principal) is MaskState.CLEAR
    settings = context.configuration
    return {
        key: mask_text("") if key in settings.sensitive else value if clear or not _identifies(settings, key) else _masked_value(key, value)
        for key, value in contact.attributes.items()
    }


def shown_key(key: str, value: str, context: OperationContext) -> MatchedKey:
    """Why a candidate was found, behind the viewer's mask; a SENSITIVE value is not even kept."""
    if not value or key in context.configuration.sensitive:
        return MatchedKey(key, mask_text(""))
    clear = key in _OPEN_KEYS or mask_of(context.principal) is MaskState.CLEAR
    return MatchedKey(key, value if clear else masked(key, value))


def _identifies(settings: Configuration, key: str) -> bool:
    return key in {PHONE, EMAIL} or settings.definition(key).is_identifier


def _masked_value(key: str, value: Any) -> str:
    return masked(key, value) if isinstance(value, str) else mask_text("")


def _cursor(context: OperationContext, page: PageArgs) -> tuple[Callable[[Contact], str], UUID | None]:
    sealer, purpose = context.services.sealer, b"contacts" + context.principal.workspace_id.bytes
    return lambda contact: seal_uuid(sealer, purpose, contact.contact_id), open_uuid(sealer, purpose, page.after)


def _page(found: Sequence[Contact], page: PageArgs, cursor_of: Callable[[Contact], str]) -> Connection[Contact]:
    return Connection(found[: page.limit], cursor_of, len(found) > page.limit, page.after is not None)
