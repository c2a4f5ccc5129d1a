"""The look-up of a contact's person: SEARCHING becomes NONE, ONE or MULTIPLE, and exactly one exact match becomes the association.

Owns the match machine, in a transaction of its own behind the one that said SEARCHING, so that every screen really sees it; a search that a
crash cut short is finished by the next command on the contact. Must not look again at a contact that an agent unlinked. Called by `contacts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from uuid import UUID

from gateway.auth.principal import Principal
from gateway.commands.adoption import Adoption
from gateway.commands.association import Draft, associate, living_profile
from gateway.commands.matching import NAME, PROFILE_ID, Owners, Rules, Step, find_candidates, match_of
from gateway.commands.reach import ContactPointChange, Reach, write_reach
from gateway.commands.unit import Receipt, Retry, Unit, Writer
from gateway.commands.validation import json_element
from gateway.errors import Rejected
from gateway.identity import EMAIL, PHONE, lookup_key
from gateway.model.actor import SYSTEM
from gateway.model.audit import ChangeAction
from gateway.model.contact import Candidate, Contact, MatchState
from gateway.model.ids import uuid7
from gateway.model.profile import Channel
from gateway.records.keys import attribute_keys
from gateway.sources.contract import LookupKey
from gateway.storage.database import columns

__all__ = ["inherit", "owners_elsewhere", "search"]

_UNKNOWN = "Unknown"
_LONGEST_NAME = 200
_NATIVE = "native"


async def owners_elsewhere(adoption: Adoption, principal: Principal, writer: Writer, steps: Sequence[Step]) -> Owners:
    """Whose a contact's values are by what the sources say, asked only when nobody here has any of them. Outside of every transaction.

    A SENSITIVE value is told to nobody: only its hash is here.
    """
    values = [one for step in steps if step.key not in {NAME, PROFILE_ID} for one in step.values if one.raw]
    if not values or not adoption.is_asked(principal.workspace_key):
        return {}
    known: list[Candidate] = []

    async def look(unit: Unit) -> Receipt:
        known[:] = await find_candidates(unit, [step for step in steps if step.key not in {NAME, PROFILE_ID}])
        return Receipt()

    await writer.run(principal, look)
    if known:
        return {}
    found = await adoption.owners(principal, [LookupKey(one.key, one.stored) for one in values])
    return {(key.key, key.value): ids for key, ids in found.items()}


async def search(unit: Unit, draft: Draft, rules: Rules, elsewhere: Owners = MappingProxyType({})) -> None:
    """Look for the person of a contact that is SEARCHING, and associate it as the operator's rules say. `elsewhere`: see `find_candidates`."""
    contact = draft.now
    assert contact.match is MatchState.SEARCHING
    settings = unit.configuration.autopopulate
    steps = rules.steps(contact)
    if settings.create_on_none:
        values = [f"{one.key} {one.stored}" for step in steps for one in step.values]
        await unit.fetch("lock_values", values)
    candidates = await find_candidates(unit, steps, elsewhere)
    await unit.fetch("delete_candidates", contact.contact_id)
    if candidates:
        await unit.fetch("insert_candidates", contact.contact_id, *columns([_row(one) for one in candidates]))
    draft.set(match=match_of(candidates))
    if contact.profile_id is not None:
        return  # an agent, or the contact before it, knows already
    if settings.auto_associate and len(candidates) == 1 and candidates[0].score == 1:
        profile = await living_profile(unit, candidates[0].profile_id)
        if profile is None:
            raise Retry  # erased just now
        await associate(unit, draft, profile, SYSTEM, automatic=True)
    elif settings.create_on_none and not candidates:
        made = await _make_profile(unit, contact, rules)
        if made is not None:
            await associate(unit, draft, made, SYSTEM, automatic=True)


async def inherit(unit: Unit, draft: Draft, parent: Contact) -> None:
    """An escalated contact is from whom the one before it was from: nobody when an agent unlinked that one and chose nobody since."""
    if parent.profile_id is None:
        return
    profile = await living_profile(unit, parent.profile_id)
    if profile is not None:
        await associate(unit, draft, profile, SYSTEM, automatic=True)


def _row(candidate: Candidate) -> tuple[object, ...]:
    matched = [{"key": key, "value": value} for key, value in candidate.matched_on]
    return candidate.profile_id, candidate.score, json_element(matched)


async def _make_profile(unit: Unit, contact: Contact, rules: Rules) -> UUID | None:
    """A profile of what is known of a stranger: a name, an address, a key. None where that is nothing: a withheld number is no person."""
    values = [one for step in rules.steps(contact) if step.key not in {NAME, PROFILE_ID} for one in step.values if one.raw]
    own = lookup_key(contact.channel, contact.custom_channel)
    if not values and contact.normalized is None and contact.display_name is None:
        return None
    points: list[tuple[ContactPointChange, str]] = []
    identifiers: list[tuple[str, str, str]] = []
    attributes = attribute_keys(unit.configuration)
    for one in dict.fromkeys(values):
        if one.key == own:
            points.append((ContactPointChange(contact.channel, one.raw, contact.custom_channel), one.stored))
        elif one.key in attributes:
            continue  # what the contact said of an attribute is not the person's to keep
        elif one.key in {PHONE, EMAIL}:
            points.append((ContactPointChange(Channel.VOICE if one.key == PHONE else Channel.EMAIL, one.raw), one.stored))
        else:
            identifiers.append((one.key, one.raw, one.stored))
    first, _, last = (contact.display_name or _UNKNOWN).partition(" ")
    profile_id = uuid7()
    await unit.fetch("insert_profiles", [profile_id], ["PROSPECT"], [first[:_LONGEST_NAME]], [last.strip()[:_LONGEST_NAME] or None], [""])
    try:
        fields = await write_reach(unit, profile_id, Reach(points, identifiers), _NATIVE)
    except Rejected:
        raise Retry from None  # somebody else has just got that key: they are found now
    change_id = uuid7()
    who = [SYSTEM.id], [SYSTEM.display_name], [SYSTEM.kind.value]
    shown = [{"field": "firstName", "before": None, "after": first, "as": "text"}]
    row = [profile_id], [change_id], [ChangeAction.CREATED.value], *who, [json_element(shown)], [None], [contact.contact_id]
    await unit.fetch("insert_change_records", *row)
    unit.profile_changed(profile_id, "firstName", "lastName", *fields, item_id=change_id)
    return profile_id
