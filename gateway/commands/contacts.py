"""Live contacts: opened by a routing system or an agent, worked on, associated with a person, closed into the timeline.

Owns the four commands: their rights, their order, and the states a contact goes through. What they write is in `association`, `searching` and
`closing`. Whoever does not oversee contacts acts on own ones only; the others are not there. Called by resolvers through `Commands.contacts`.

Every command answers a receipt whose `entity_id` is the contact and whose `profile_id` is the id of its agent's desk stream (None without an
agent), at whose `position` the change stands (None: nothing changed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from gateway.auth.policy import Action, is_agent_of, oversees_contacts, readable_contact
from gateway.auth.principal import Principal
from gateway.commands.adoption import Adoption
from gateway.commands.association import (
    Draft,
    associate,
    closed,
    living_profile,
    lock_contact,
    log_contact,
    may_choose,
    not_there,
    receipt_of,
    require_contacts,
    save,
    unlink,
)
from gateway.commands.closing import close
from gateway.commands.contact_input import (
    CheckedContact,
    ContactChanges,
    NewContact,
    check_changes,
    check_new,
    check_reason,
    check_verified_keys,
    merged,
    merged_attributes,
)
from gateway.commands.dependencies import Dependencies
from gateway.commands.matching import Owners, Rules
from gateway.commands.searching import inherit, owners_elsewhere, search
from gateway.commands.unit import Receipt, Retry, Unit
from gateway.errors import Problem, Rejected
from gateway.model.actor import Actor, ActorKind
from gateway.model.contact import MOVES, Contact, ContactState, MatchState
from gateway.model.ids import uuid7
from gateway.records.contacts import association_of, contact_of

__all__ = ["ContactCommands"]


class ContactCommands:
    """The commands of contacts, bound to this process."""

    def __init__(self, dependencies: Dependencies, adoption: Adoption) -> None:
        self._adoption = adoption
        self._writer = dependencies.writer
        self._region = dependencies.region
        self._configurations = dependencies.configurations
        self._vault = dependencies.vault

    async def open(self, principal: Principal, new: NewContact) -> Receipt:
        """A contact as its routing system announces it, and the search for its person. Told again by the same external id, nothing changes.

        Raises:
            Forbidden: without `contact:write`.
            Rejected: FORBIDDEN (switched off, or another agent's contact), NOT_FOUND (the parent), or invalid input.
        """
        rules = self._rules(principal, Action.WRITE_CONTACT)
        checked = check_new(new, rules)
        if not oversees_contacts(principal) and checked.agent_id != principal.subject:
            message = "These credentials open contacts of their own only: give your own agentId."
            raise Rejected(Problem("FORBIDDEN", message, ("input", "agentId")))
        return await self._searched(principal, partial(_open, checked), rules)

    async def update(self, principal: Principal, changes: ContactChanges) -> Receipt:
        """Move a contact on, hand it over, add what is known by now. CLOSED ends it and writes its interaction.

        Raises:
            Forbidden: without `contact:write`.
            Rejected: FORBIDDEN (switched off), NOT_FOUND, CONTACT_CLOSED, INVALID (an illegal move among them) or LIMIT_EXCEEDED.
        """
        rules = self._rules(principal, Action.WRITE_CONTACT)
        return await self._searched(principal, partial(_update, changes, check_changes(changes, rules), rules), rules)

    async def associate(self, principal: Principal, contact_id: UUID, profile_id: UUID, verified_keys: Sequence[str] | None) -> Receipt:
        """Say from whom a contact is, as often as it takes until it is closed; the last word counts. The same word again changes nothing.

        Raises:
            Forbidden: without `contact:associate`.
            Rejected: FORBIDDEN (switched off), NOT_FOUND, CONTACT_CLOSED, INVALID or LIMIT_EXCEEDED.
        """
        self._rules(principal, Action.ASSOCIATE_CONTACT)
        keys = check_verified_keys(verified_keys)
        return await self._writer.run(principal, partial(_associate, contact_id, profile_id, keys))

    async def unlink(self, principal: Principal, contact_id: UUID, reason: str | None) -> Receipt:
        """Detach a contact from its person and stop every automatic match of it; nothing else of the profile changes.

        Raises:
            Forbidden: without `contact:associate`.
            Rejected: FORBIDDEN (switched off), NOT_FOUND, CONTACT_CLOSED or INVALID.
        """
        reason = check_reason(reason, self._rules(principal, Action.ASSOCIATE_CONTACT))

        async def work(unit: Unit) -> Receipt:
            draft = Draft.of(await lock_contact(unit, contact_id, "contactId"))
            await unlink(unit, draft, principal.actor, reason)
            return receipt_of(unit, await save(unit, draft))

        return await self._writer.run(principal, work)

    def _rules(self, principal: Principal, action: Action) -> Rules:
        """What the operator decided, for whoever may do this."""
        configuration = self._configurations.of(principal.workspace_key)
        require_contacts(principal, action, configuration)
        return Rules(configuration, self._region, partial(self._vault.blinds, principal.workspace_id))

    async def _searched(self, principal: Principal, work: Any, rules: Rules) -> Receipt:
        """Run a command, and where it leaves the contact SEARCHING, the search behind it: first the screen shows one, then the other."""
        left: list[Contact] = []

        async def first(unit: Unit) -> Receipt:
            contact: Contact = await work(unit)
            left[:] = [contact]
            return receipt_of(unit, contact)

        receipt = await self._writer.run(principal, first)
        (contact,) = left
        if contact.match is not MatchState.SEARCHING or not contact.is_open:
            return receipt
        elsewhere = await owners_elsewhere(self._adoption, principal, self._writer, rules.steps(contact))
        found = await self._writer.run(principal, partial(_find, contact.contact_id, rules, elsewhere))
        return found if found.position is not None else replace(found, position=receipt.position)


async def _open(checked: CheckedContact, unit: Unit) -> Contact:
    new, at = checked.new, datetime.now(UTC)
    parent = None if new.parent_id is None else await _parent(unit, new.parent_id)
    contact_id = uuid7(at)
    agent = None if checked.agent_id is None else _agent(unit, checked.agent_id)
    made = await unit.fetchrow(
        "insert_contact",
        contact_id,
        checked.external_id,
        *(new.channel.value, checked.custom_channel, checked.address, checked.normalized, checked.display_name, new.direction.value),
        *((None, None) if agent is None else (agent.id, agent.display_name)),
        *(checked.queue, new.parent_id, checked.attributes, new.handoff_context, checked.search_key, unit.principal.subject, at),
    )
    if made is None:
        return await _known(unit, checked.external_id)
    row = await unit.fetchrow("lock_contact", contact_id)
    assert row is not None
    contact = contact_of(row)
    log_contact(unit, contact_id, (agent,), (), {})
    if parent is not None:
        draft = Draft.of(contact)
        await inherit(unit, draft, parent)
        contact = await save(unit, draft)
    return contact


async def _known(unit: Unit, external_id: str) -> Contact:
    """The contact that has this external id already, for whoever may see it."""
    known = await unit.fetchrow("contact_by_external_id", external_id)
    row = None if known is None else await unit.fetchrow("lock_contact", known["id"])
    if row is None:
        raise Retry  # it was rolled back between the statements
    contact = contact_of(row)
    if not readable_contact(unit.principal, contact):
        raise Rejected(Problem("FORBIDDEN", "A contact with this externalId is another agent's.", ("input", "externalId")))
    return contact


async def _parent(unit: Unit, parent_id: UUID) -> Contact:
    rows = await unit.fetch("live_contacts_by_id", [parent_id])
    parent = contact_of(rows[0]) if rows else None
    if parent is None or not readable_contact(unit.principal, parent):
        raise not_there("input", "parentId")
    return parent


async def _find(contact_id: UUID, rules: Rules, elsewhere: Owners, unit: Unit) -> Receipt:
    row = await unit.fetchrow("lock_contact", contact_id)
    assert row is not None
    draft = Draft.of(contact_of(row))
    if draft.now.is_open and draft.now.match is MatchState.SEARCHING:
        await search(unit, draft, rules, elsewhere)
    return receipt_of(unit, await save(unit, draft))


async def _update(changes: ContactChanges, given: dict[str, Any], rules: Rules, unit: Unit) -> Contact:
    draft = Draft.of(await _to_update(unit, changes.contact_id, given))
    if draft.now.match is MatchState.SEARCHING:
        await search(unit, draft, rules)  # whoever began it did not live to finish it
    if "agent_id" in given:
        draft.set(agent=None if given["agent_id"] is None else _agent(unit, given["agent_id"], draft.now.agent))
    draft.set(**{name: given[name] for name in ("queue", "summary") if name in given})
    if "wrap_up" in given:
        draft.set(wrap_up=given["wrap_up"] and merged(draft.now.wrap_up, given["wrap_up"]))
    if given.get("attributes"):
        draft.set(attributes=merged_attributes(draft.now.attributes, given["attributes"], rules))
        changed = draft.now.attributes != draft.was.attributes
        if changed and draft.now.match is MatchState.NONE and draft.now.profile_id is None and changes.state is not ContactState.CLOSED:
            draft.set(match=MatchState.SEARCHING)
    if changes.state is not None and changes.state is not draft.now.state:
        await _move(unit, draft, changes.state)
    return await save(unit, draft)


async def _to_update(unit: Unit, contact_id: UUID, given: dict[str, Any]) -> Contact:
    """The contact, locked. One that nobody has yet may be taken by an agent, for itself."""
    row = await unit.fetchrow("lock_contact", contact_id)
    contact = None if row is None else contact_of(row)
    mine = contact is not None and (is_agent_of(unit.principal, contact) or oversees_contacts(unit.principal))
    takes = contact is not None and contact.agent is None and given.get("agent_id") == unit.principal.subject
    if contact is None or not (mine or takes):
        raise not_there("input", "id")
    if not contact.is_open:
        raise closed("input", "id")
    return contact


async def _move(unit: Unit, draft: Draft, state: ContactState) -> None:
    contact, at = draft.now, datetime.now(UTC)
    if state not in MOVES[contact.state]:
        message = f"A contact that is {contact.state.value} cannot become {state.value}."
        raise Rejected(Problem("INVALID", message, ("input", "state")))
    if state is ContactState.CONNECTED:
        draft.set(state=state, accepted_at=max(at, contact.offered_at))
    elif state is ContactState.WRAP_UP:
        draft.set(state=state, wrap_up_at=max(at, contact.accepted_at or contact.offered_at))
    else:
        await close(unit, draft, at)


async def _associate(contact_id: UUID, profile_id: UUID, keys: tuple[str, ...] | None, unit: Unit) -> Receipt:
    contact = await lock_contact(unit, contact_id, "contactId")
    profile = await living_profile(unit, profile_id)
    if profile is None or not (await may_choose(unit, profile) or await may_choose(unit, profile_id)):
        raise Rejected(Problem("NOT_FOUND", "There is no such profile.", ("profileId",)))
    if contact.profile_id == profile:
        current = association_of((await unit.fetch("associations_by_contact", [contact_id]))[0])
        if not current.automatic and keys in {None, current.verified_keys}:
            return receipt_of(unit, contact)
    draft = Draft.of(contact)
    await associate(unit, draft, profile, unit.principal.actor, verified_keys=keys or ())
    return receipt_of(unit, await save(unit, draft))


def _agent(unit: Unit, subject: str, present: Actor | None = None) -> Actor:
    """An agent by subject: of others only the subject is known, until they themselves are seen."""
    if present is not None and present.id == subject:
        return present
    own = unit.principal
    return Actor(subject, own.display_name if own.subject == subject else subject, ActorKind.AGENT)
