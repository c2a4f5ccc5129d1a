"""Rights: who may see and do what. One answer for queries, mutations and live events.

Owns the scopes of each role, the scope behind each action, and how a value looks to someone who may not see it whole. Pure: no I/O, no
clock, no framework. Code asks for an `Action`, never for a role or a scope. Called by commands, resolvers, live and transport.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from gateway.auth.principal import Principal, Role
from gateway.errors import Forbidden
from gateway.model.actor import ActorKind
from gateway.model.contact import Contact, ContactPermissions
from gateway.model.note import Note
from gateway.model.permissions import ProfilePermissions
from gateway.model.profile import MaskState

__all__ = [
    "PARTNER_GRANTS",
    "ROLE_SCOPES",
    "Action",
    "contact_permissions",
    "is_agent_of",
    "mask_email",
    "mask_of",
    "mask_phone",
    "mask_text",
    "may",
    "may_edit_note",
    "oversees_contacts",
    "permissions",
    "readable_contact",
    "require",
]

_AGENT: Final = frozenset(
    {
        "profile:read",
        "profile:search",
        "profile:create",
        "profile:write",
        "profile:read:pii",
        "note:read",
        "note:write",
        "history:read",
        "contact:associate",
        "contact:write",
        "subscribe",
    }
)
_SUPERVISOR: Final = _AGENT | {"contact:read:all", "profile:merge", "pii:reveal"}
_ADMIN: Final = _SUPERVISOR | {"history:export", "activity:write", "privacy", "admin"}
_PARTNER: Final = frozenset({"profile:read", "history:read", "history:export", "activity:write"})

ROLE_SCOPES: Final[Mapping[Role, frozenset[str]]] = MappingProxyType(
    {
        Role.AGENT: _AGENT,
        Role.SUPERVISOR: _SUPERVISOR,
        Role.ADMIN: _ADMIN,
        Role.PARTNER: _PARTNER,
        Role.SERVICE: frozenset({"ingest:write"}),
    }
)
"""What a role may do at most with a token; a token's `scope` claim narrows it and never widens it."""

PARTNER_GRANTS: Final = _PARTNER | {
    "profile:read:pii",
    "profile:search",
    "note:read",
    "note:write",
    "subscribe",
    "contact:write",
    "contact:read:all",
}
"""What an operator may give a partner key beyond (or instead of) the scopes it has by default: nothing that changes or merges profiles.

`contact:write` makes the key of a routing system, which opens and closes contacts for every agent.
"""


class Action(StrEnum):
    """Something a principal asks to do."""

    READ_PROFILE = "read_profile"
    SEARCH = "search"
    CREATE_PROFILE = "create_profile"
    UPDATE_PROFILE = "update_profile"
    MERGE_PROFILES = "merge_profiles"
    ERASE_PROFILE = "erase_profile"
    READ_CONTACT_VALUES = "read_contact_values"
    REVEAL_SENSITIVE = "reveal_sensitive"
    READ_NOTES = "read_notes"
    ADD_NOTE = "add_note"
    READ_TIMELINE = "read_timeline"
    EXPORT_HISTORY = "export_history"
    RECORD_ACTIVITIES = "record_activities"
    MANAGE_COMPANIES = "manage_companies"
    SUBSCRIBE = "subscribe"
    WRITE_CONTACT = "write_contact"
    ASSOCIATE_CONTACT = "associate_contact"
    READ_ALL_CONTACTS = "read_all_contacts"
    VERIFY = "verify"
    SET_CONSENT = "set_consent"
    READ_CHANGES = "read_changes"
    REQUEST_PRIVACY = "request_privacy"
    ADMINISTER = "administer"
    INGEST = "ingest"


_NEEDS: Final[Mapping[Action, str]] = MappingProxyType(
    {
        Action.READ_PROFILE: "profile:read",
        Action.SEARCH: "profile:search",
        Action.CREATE_PROFILE: "profile:create",
        Action.UPDATE_PROFILE: "profile:write",
        Action.MERGE_PROFILES: "profile:merge",
        Action.ERASE_PROFILE: "privacy",
        Action.READ_CONTACT_VALUES: "profile:read:pii",
        Action.REVEAL_SENSITIVE: "pii:reveal",
        Action.READ_NOTES: "note:read",
        Action.ADD_NOTE: "note:write",
        Action.READ_TIMELINE: "history:read",
        Action.EXPORT_HISTORY: "history:export",
        Action.RECORD_ACTIVITIES: "activity:write",
        Action.MANAGE_COMPANIES: "profile:write",
        Action.SUBSCRIBE: "subscribe",
        Action.WRITE_CONTACT: "contact:write",
        Action.ASSOCIATE_CONTACT: "contact:associate",
        Action.READ_ALL_CONTACTS: "contact:read:all",
        Action.VERIFY: "contact:associate",
        Action.SET_CONSENT: "profile:write",
        Action.READ_CHANGES: "history:read",
        Action.REQUEST_PRIVACY: "privacy",
        Action.ADMINISTER: "admin",
        Action.INGEST: "ingest:write",
    }
)


def may(principal: Principal, action: Action) -> bool:
    """Whether the principal's scopes allow the action."""
    return _NEEDS[action] in principal.scopes


def require(principal: Principal, action: Action) -> None:
    """Nothing when the action is allowed.

    Raises:
        Forbidden: it is not; the message and the extension `scope` name what is missing.
    """
    if not may(principal, action):
        scope = _NEEDS[action]
        raise Forbidden(f"These credentials do not allow this: the scope {scope} is missing.", scope=scope)


_PEOPLE: Final = frozenset({ActorKind.AGENT, ActorKind.SUPERVISOR})


def may_edit_note(principal: Principal, note: Note) -> bool:
    """Whether the principal may change or delete the note: its author, a supervisor or an admin, and only with the right to write notes.

    A person stays the author when promoted or demoted; a partner or a source that happens to share the author's id is somebody else.
    """
    if not may(principal, Action.ADD_NOTE):
        return False
    if principal.role in {Role.SUPERVISOR, Role.ADMIN}:
        return True
    actor, author = principal.actor, note.author
    return actor.id == author.id and (actor.kind is author.kind or {actor.kind, author.kind} <= _PEOPLE)


def permissions(principal: Principal) -> ProfilePermissions:
    """What the principal may do with any profile it can see."""
    return _permissions(principal.scopes)


@lru_cache(maxsize=256)
def _permissions(scopes: frozenset[str]) -> ProfilePermissions:
    return ProfilePermissions(
        update=_NEEDS[Action.UPDATE_PROFILE] in scopes,
        merge=_NEEDS[Action.MERGE_PROFILES] in scopes,
        add_note=_NEEDS[Action.ADD_NOTE] in scopes,
        reveal_sensitive=_NEEDS[Action.REVEAL_SENSITIVE] in scopes,
        erase=_NEEDS[Action.ERASE_PROFILE] in scopes,
    )


def oversees_contacts(principal: Principal) -> bool:
    """Whether the principal has to do with contacts of every agent: a supervisor, or a routing system (a key that opens and closes contacts)."""
    return may(principal, Action.READ_ALL_CONTACTS) or (may(principal, Action.WRITE_CONTACT) and principal.actor.kind not in _PEOPLE)


def is_agent_of(principal: Principal, contact: Contact) -> bool:
    """Whether the contact is the principal's own; a key that happens to be called like an agent is somebody else."""
    return contact.agent is not None and contact.agent.id == principal.subject and principal.actor.kind in _PEOPLE


def readable_contact(principal: Principal, contact: Contact) -> bool:
    """Whether the principal may see the contact: its agent, and whoever oversees contacts. To others it is not there."""
    return is_agent_of(principal, contact) or oversees_contacts(principal)


def contact_permissions(principal: Principal, contact: Contact) -> ContactPermissions:
    """What the principal may do with a contact it can see."""
    return ContactPermissions(
        associate=contact.is_open and may(principal, Action.ASSOCIATE_CONTACT) and readable_contact(principal, contact),
        create_profile=may(principal, Action.CREATE_PROFILE),
    )


def mask_of(principal: Principal) -> MaskState:
    """How contact values and identifiers look to the principal, on every path alike: detail, list, search hit, live event, export."""
    if may(principal, Action.READ_CONTACT_VALUES):
        return MaskState.CLEAR
    return MaskState.MASKED if may(principal, Action.READ_PROFILE) else MaskState.HIDDEN


_HIDDEN: Final = "•••••"
_PART: Final = "•••"
_TAIL = 3
_LONG_ENOUGH = 10
"""Characters below which the last three would say too much of a value."""
_NATIONAL_DIGITS = 7
"""Digits behind the country code below which nothing of a phone number is shown."""
_NAME = 3
"""Characters below which the first one would say too much of a name."""
_E164: Final = re.compile(r"\+[0-9]{1,15}")
_COUNTRY_CODE: Final = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}")
"""ITU-T E.164: one or two digits as listed, all other codes have three."""


def mask_phone(value: str) -> str:
    """A phone number in E.164 with its country code and last three digits: `+44•••••123`. The number of dots says nothing."""
    country = _COUNTRY_CODE.match(value, 1) if _E164.fullmatch(value) else None
    if country is None:
        return mask_text(value)
    return f"{value[: country.end()]}{_HIDDEN}{value[-_TAIL:]}" if len(value) - country.end() >= _NATIONAL_DIGITS else _HIDDEN


def mask_email(value: str) -> str:
    """An e-mail address with the first letters and the top-level domain: `a•••@e•••.com`."""
    local, at, domain = value.rpartition("@")
    if not at:
        return mask_text(value)
    name, dot, top = domain.rpartition(".")
    return f"{_first(local)}@{_first(name)}.{top}" if dot else f"{_first(local)}@{_PART}"


def mask_text(value: str) -> str:
    """Any other value: the last three characters of a long one, nothing of a short one."""
    return _HIDDEN + (value[-_TAIL:] if len(value) >= _LONG_ENOUGH else "")


def _first(part: str) -> str:
    return (part[0] if len(part) >= _NAME else "") + _PART
