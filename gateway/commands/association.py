"""With whom a contact is associated: the current association, the ones before it, and what is logged of each change.

Owns the row of a contact as commands change it: locked, written whole, logged on the desks of its agents and on the streams of its profiles,
so that no command forgets one of them. Must not change a profile: an association writes nothing into it but the audit. Called by `contacts`,
`searching` and `profiles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action, is_agent_of, may, oversees_contacts, require
from gateway.auth.principal import Principal
from gateway.commands.unit import Receipt, Retry, Unit
from gateway.commands.validation import json_element
from gateway.errors import Problem, Rejected
from gateway.model.actor import Actor
from gateway.model.audit import ChangeAction
from gateway.model.change import desk_stream
from gateway.model.configuration import Configuration, Feature
from gateway.model.contact import Contact, MatchState
from gateway.model.ids import uuid7
from gateway.model.profile import ProfileStatus
from gateway.records.contacts import contact_of

__all__ = [
    "Draft",
    "associate",
    "associate_created",
    "closed",
    "living_profile",
    "lock_contact",
    "log_contact",
    "may_choose",
    "not_there",
    "receipt_of",
    "require_contacts",
    "save",
    "unlink",
]

CORRECTED: Final = "The contact was associated with another profile."
"""Why a contact left a profile when an agent chose another one."""


@dataclass(slots=True)
class Draft:
    """A contact that a command is changing: as it was, as it shall be, and the entries of the audit (profile → entry) that show with it."""

    was: Contact
    now: Contact
    audits: dict[UUID, UUID] = field(default_factory=dict)

    @classmethod
    def of(cls, contact: Contact) -> Draft:
        """Nothing changed yet."""
        return cls(contact, contact)

    def set(self, **values: Any) -> None:
        """Change fields of the contact."""
        self.now = replace(self.now, **values)


def require_contacts(principal: Principal, action: Action, configuration: Configuration) -> None:
    """Nothing when the principal may do this and the workspace has contacts.

    Raises:
        Forbidden: the scope is missing.
        Rejected: FORBIDDEN, the feature is switched off.
    """
    require(principal, action)
    if Feature.CONTACTS not in configuration.features:
        raise Rejected(Problem("FORBIDDEN", "Contacts are switched off in this workspace."))


def not_there(*path: str) -> Rejected:
    """The one answer for a contact that does not exist and for one that is somebody else's."""
    return Rejected(Problem("NOT_FOUND", "There is no such contact.", path))


def closed(*path: str) -> Rejected:
    """The contact is over."""
    return Rejected(Problem("CONTACT_CLOSED", "The contact is closed; nothing about it changes any more.", path))


async def lock_contact(unit: Unit, contact_id: UUID, *path: str) -> Contact:
    """The contact, which nobody else changes until this transaction ends.

    Raises:
        Rejected: NOT_FOUND, also when it is not the principal's to see; CONTACT_CLOSED.
    """
    row = await unit.fetchrow("lock_contact", contact_id)
    contact = None if row is None else contact_of(row)
    if contact is None or not (is_agent_of(unit.principal, contact) or oversees_contacts(unit.principal)):
        raise not_there(*path)
    if not contact.is_open:
        raise closed(*path)
    return contact


async def living_profile(unit: Unit, profile_id: UUID) -> UUID | None:
    """The profile, or the one it was merged into, held against a merge until this transaction ends; None when there is none."""
    row = await unit.fetchrow("living_profile", profile_id)
    if row is None:
        return None
    held = await unit.fetchrow("hold_profiles", [row["id"]])
    if held is None or held["status"] != ProfileStatus.ACTIVE.value:
        raise Retry  # it was merged away, or erased, between the two statements
    found: UUID = row["id"]
    return found


async def may_choose(unit: Unit, profile_id: UUID) -> bool:
    """Whether the principal may see the profile: by right, or for the sake of an open contact of its own."""
    if may(unit.principal, Action.READ_PROFILE):
        return True
    return bool(await unit.fetch("granted_profiles", unit.principal.subject, [profile_id]))


async def associate(
    unit: Unit, draft: Draft, profile_id: UUID, by: Actor, *, automatic: bool = False, verified_keys: tuple[str, ...] = ()
) -> None:
    """Make a living profile the contact's only current association; the one before is kept, and superseded."""
    contact = draft.now
    await unit.fetch("supersede_association", contact.contact_id)
    who = by.id, by.display_name, by.kind.value
    await unit.fetch("insert_association", contact.contact_id, uuid7(), profile_id, *who, automatic, list(verified_keys))
    if contact.profile_id not in {None, profile_id}:
        assert contact.profile_id is not None
        await _record(unit, draft, contact.profile_id, ChangeAction.UNLINKED, by, {"contact": (contact.id, None)}, CORRECTED)
    shown: dict[str, tuple[Any, Any]] = {"contact": (None, contact.id)}
    if verified_keys:
        shown["verifiedKeys"] = (None, list(verified_keys))
    await _record(unit, draft, profile_id, ChangeAction.ASSOCIATED, by, shown, None)
    draft.set(profile_id=profile_id)


async def unlink(unit: Unit, draft: Draft, by: Actor, reason: str | None) -> None:
    """Take the association away and never match the contact automatically again."""
    contact = draft.now
    if contact.profile_id is not None:
        await unit.fetch("supersede_association", contact.contact_id)
        await _record(unit, draft, contact.profile_id, ChangeAction.UNLINKED, by, {"contact": (contact.id, None)}, reason)
    draft.set(profile_id=None, match=MatchState.SUPPRESSED, unlink_reason=reason or contact.unlink_reason)


async def associate_created(unit: Unit, contact_id: UUID, profile_id: UUID) -> None:
    """Associate a contact with a profile that this transaction made (`CreateProfileInput.associateWithContactId`).

    Raises:
        Forbidden: without `contact:associate`.
        Rejected: NOT_FOUND, CONTACT_CLOSED or FORBIDDEN (switched off); then the profile is not made either.
    """
    require_contacts(unit.principal, Action.ASSOCIATE_CONTACT, unit.configuration)
    draft = Draft.of(await lock_contact(unit, contact_id, "input", "associateWithContactId"))
    await associate(unit, draft, profile_id, unit.principal.actor)
    await save(unit, draft)


async def save(unit: Unit, draft: Draft) -> Contact:
    """Write the contact if it changed, and log the change for everybody who watches; the contact as it is then."""
    was, now = draft.was, draft.now
    if now == was and not draft.audits:
        return was
    agent, wrap_up = now.agent, now.wrap_up
    await unit.fetch(
        "update_contact",
        now.contact_id,
        now.state.value,
        *((None, None) if agent is None else (agent.id, agent.display_name)),
        *(now.queue, now.match.value, now.profile_id, now.attributes, now.summary, wrap_up, now.unlink_reason),
        *(now.interaction_id, now.accepted_at, now.wrap_up_at, now.closed_at),
    )
    log_contact(unit, now.contact_id, (was.agent, agent), (was.profile_id, now.profile_id), draft.audits)
    return replace(now, version=was.version + 1)


def log_contact(
    unit: Unit,
    contact_id: UUID,
    agents: tuple[Actor | None, ...],
    profiles: tuple[UUID | None, ...],
    audits: Mapping[UUID, UUID],
) -> None:
    """Log a changed contact on the desks of these agents and the streams of these profiles."""
    unit.contact_changed(contact_id, *(None if agent is None else agent.id for agent in agents))
    for profile_id in dict.fromkeys(profiles):
        if profile_id is not None:
            unit.profile_changed(profile_id, "contacts", item_id=audits.get(profile_id))


def receipt_of(unit: Unit, contact: Contact) -> Receipt:
    """What a command on a contact answers: `entity_id` is the contact, `profile_id` the id of its agent's desk stream, whose position counts."""
    stream = None if contact.agent is None else desk_stream(unit.workspace, contact.agent.id).stream_id
    return Receipt(stream, contact.contact_id)


async def _record(
    unit: Unit, draft: Draft, profile_id: UUID, action: ChangeAction, by: Actor, fields: Mapping[str, tuple[Any, Any]], reason: str | None
) -> None:
    """An entry of the audit by whoever decided: the gateway itself, when it was a rule."""
    change_id = uuid7()
    shown = [{"field": name, "before": before, "after": after, "as": None} for name, (before, after) in fields.items()]
    who = [by.id], [by.display_name], [by.kind.value]
    row = [profile_id], [change_id], [action.value], *who, [json_element(shown)], [reason], [draft.now.contact_id]
    await unit.fetch("insert_change_records", *row)
    draft.audits[profile_id] = change_id
