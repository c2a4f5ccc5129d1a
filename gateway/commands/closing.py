"""The end of a contact: what it leaves on the customer's timeline.

Owns the shape of the `Interaction` that a closed contact becomes: numbers among its attributes are measures, texts are attributes, anything else
is left out, and the operator's limits on both hold. Called by `contacts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from gateway.commands.association import Draft, living_profile
from gateway.commands.unit import Unit
from gateway.errors import Problem, Rejected
from gateway.model.activity import TimelineKind
from gateway.model.configuration import Configuration
from gateway.model.contact import Contact, ContactState
from gateway.model.ids import uuid7
from gateway.records.contacts import contact_of

__all__ = ["close", "interaction_detail"]

NATIVE: Final = "native"
MISSED: Final = "missed"
"""Outcome of a contact that no agent accepted."""


async def close(unit: Unit, draft: Draft, at: datetime) -> None:
    """Close the contact, whose other changes are in the draft already, and write its item on the timeline of the profile it is associated with.

    Raises:
        Rejected: LIMIT_EXCEEDED, it has more measures or attributes than an interaction may have; nothing is closed.
    """
    contact = draft.now
    closed_at = max(at, contact.wrap_up_at or contact.accepted_at or contact.offered_at)
    draft.set(state=ContactState.CLOSED, closed_at=closed_at)
    profile_id = None if contact.profile_id is None else await living_profile(unit, contact.profile_id)
    if profile_id is None:
        return  # nobody's timeline
    detail = interaction_detail(draft.now, unit.configuration)
    parent = None if contact.parent_id is None else await _interaction_of(unit, contact.parent_id)
    if parent is not None:
        detail["parent"] = parent.hex
    began = contact.accepted_at or contact.offered_at
    item_id = uuid7(began)
    row = [profile_id], [began], [NATIVE], [item_id], [TimelineKind.INTERACTION.value], ["interaction"]
    await unit.fetch("insert_activities", *row, [contact.channel.value], [contact.direction.value], [None], [detail])
    unit.item_added(profile_id, item_id, NATIVE)
    draft.set(interaction_id=item_id)


def interaction_detail(contact: Contact, configuration: Configuration) -> dict[str, Any]:
    """The fields of the interaction of a closed contact, as `sources.native` reads them.

    Raises:
        Rejected: LIMIT_EXCEEDED.
    """
    given = contact.attributes or {}
    measures = {key: value for key, value in given.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    texts = {key: value for key, value in given.items() if isinstance(value, str)}
    for name, found, most in (("measures", measures, configuration.most_measures), ("attributes", texts, configuration.most_attributes)):
        if len(found) > most:
            message = f"An interaction has at most {most} {name}, the contact has {len(found)}; remove some by giving them as null."
            raise Rejected(Problem("LIMIT_EXCEEDED", message, ("input", "attributes")))
    ended, agent, wrap_up = contact.wrap_up_at or contact.closed_at, contact.agent, contact.wrap_up
    detail = {
        "agent": None if agent is None else {"id": agent.id, "name": agent.display_name},
        "queue": contact.queue,
        "endedAt": ended and ended.isoformat(),
        "outcome": MISSED if contact.accepted_at is None else (wrap_up or {}).get("dispositionCode"),
        "summary": contact.summary,
        "wrapUp": _wrap_up(wrap_up, contact.closed_at),
        "sentiment": (wrap_up or {}).get("sentiment"),
        "attributes": texts or None,
        "measures": measures or None,
        "contact": contact.contact_id.hex,
        "customChannel": contact.custom_channel,
        "conversation": contact.external_id,  # what its messages name it by
    }
    return {key: value for key, value in detail.items() if value is not None}


def _wrap_up(given: Mapping[str, Any] | None, completed_at: datetime | None) -> dict[str, Any] | None:
    kept = {key: given[key] for key in ("notes", "topic", "dispositionCode") if given.get(key)} if given else {}
    return {**kept, "completedAt": completed_at and completed_at.isoformat()} if kept else None


async def _interaction_of(unit: Unit, contact_id: UUID) -> UUID | None:
    row = await unit.fetch("live_contacts_by_id", [contact_id])
    return contact_of(row[0]).interaction_id if row else None
