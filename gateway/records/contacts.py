"""Live contacts as they are kept: reads of contacts, their candidates and associations, and the position of an agent's desk.

Owns the way from rows to values. Must not change a contact (commands do); the one thing it may make is an empty stream, so that whoever
subscribes to a desk that never had a contact has something to stand on. Called by `loaders.contacts`, commands and the live side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from gateway.model.activity import Direction
from gateway.model.actor import Actor, ActorKind
from gateway.model.change import Position, desk_stream
from gateway.model.contact import Association, Candidate, Contact, ContactFilter, ContactState, MatchState
from gateway.model.profile import Channel
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = [
    "MOST_OF_A_DESK",
    "ContactWindow",
    "association_of",
    "associations_by_contact",
    "candidate_of",
    "candidates_by_contact",
    "contact_of",
    "contacts_by_agent",
    "contacts_by_id",
    "contacts_by_profile",
    "contacts_page",
    "ensure_desk",
    "ensure_stream",
    "granted_profiles",
]

MOST_OF_A_DESK: Final = 100
"""Contacts of one agent that are shown at once, the newest."""
_LOWEST = UUID(int=0)
_HIGHEST = UUID(int=2**128 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MILLIS_BITS = 80
"""Bits of a UUIDv7 below its millisecond."""
_SLACK = 60_000
"""Milliseconds between the making of an id and the moment beside it, at the very most."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class ContactWindow:
    """Up to `limit` contacts of a profile, newest first, below the contact `before`; only open or closed ones, only this agent's."""

    limit: int
    before: UUID | None = None
    is_open: bool | None = None
    agent: str | None = None


async def contacts_by_id(database: Database, workspace: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Contact]:
    """The contacts there are among these ids."""
    rows = await database.fetch(SQL["live_contacts_by_id"], workspace, list(ids))
    return {row["id"]: contact_of(row) for row in rows}


async def contacts_by_agent(
    database: Database, workspace: UUID, agents: Sequence[str], states: Collection[ContactState]
) -> Mapping[str, Sequence[Contact]]:
    """The newest contacts of each agent (by subject) that are in one of these states, newest first."""
    name = "contacts_by_agent_with_closed" if ContactState.CLOSED in states else "contacts_by_agent"
    found: dict[str, list[Contact]] = {}
    rows = await database.fetch(SQL[name], workspace, list(agents), sorted(state.value for state in states), MOST_OF_A_DESK)
    for row in rows:
        found.setdefault(row["agent_id"], []).append(contact_of(row))
    return found


async def contacts_by_profile(
    database: Database, workspace: UUID, profiles: Sequence[UUID], window: ContactWindow
) -> Mapping[UUID, Sequence[Contact]]:
    """One page of each profile's contacts, newest first."""
    found: dict[UUID, list[Contact]] = {}
    bounds = window.before or _HIGHEST, window.is_open, window.agent, window.limit
    for row in await database.fetch(SQL["live_contacts_by_profile"], workspace, list(profiles), *bounds):
        found.setdefault(row["profile_id"], []).append(contact_of(row))
    return found


async def contacts_page(database: Database, workspace: UUID, chosen: ContactFilter, before: UUID | None, limit: int) -> Sequence[Contact]:
    """Contacts of the whole workspace, newest first, below the contact `before`."""
    rows = await database.fetch(
        SQL["contacts_page"],
        workspace,
        before or _HIGHEST,
        _LOWEST if chosen.since is None else _id_at(chosen.since, -_SLACK),
        _HIGHEST if chosen.until is None else _id_at(chosen.until, _SLACK),
        chosen.since,
        chosen.until,
        None if chosen.agents is None else list(chosen.agents),
        None if chosen.queues is None else list(chosen.queues),
        None if chosen.channels is None else [channel.value for channel in chosen.channels],
        None if chosen.states is None else [state.value for state in chosen.states],
        chosen.profile_id,
        limit,
    )
    return [contact_of(row) for row in rows]


async def candidates_by_contact(database: Database, workspace: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Candidate]]:
    """Who each contact may be from, the best first."""
    found: dict[UUID, list[Candidate]] = {}
    for row in await database.fetch(SQL["candidates_by_contact"], workspace, list(ids)):
        found.setdefault(row["contact_id"], []).append(candidate_of(row))
    return found


async def associations_by_contact(database: Database, workspace: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Association]]:
    """Every association each contact ever had, newest first."""
    found: dict[UUID, list[Association]] = {}
    for row in await database.fetch(SQL["associations_by_contact"], workspace, list(ids)):
        found.setdefault(row["contact_id"], []).append(association_of(row))
    return found


async def granted_profiles(database: Database, workspace: UUID, subject: str, profiles: Sequence[UUID]) -> frozenset[UUID]:
    """Which of the profiles are candidates or the association of an open contact of this agent."""
    rows = await database.fetch(SQL["granted_profiles"], workspace, subject, list(profiles))
    return frozenset(row["id"] for row in rows)


async def ensure_desk(database: Database, workspace: UUID, subject: str) -> Position:
    """Where the stream of an agent's desk stands; afterwards the stream exists, so that it can be subscribed to."""
    return await ensure_stream(database, workspace, desk_stream(workspace, subject).stream_id)


async def ensure_stream(database: Database, workspace: UUID, stream: UUID) -> Position:
    """The same for the stream of any id."""
    for _ in range(_ATTEMPTS):
        row = await database.fetchrow(SQL["begin_stream"], workspace, stream)
        if row is not None:
            return Position(row["epoch"], row["head"])
    raise AssertionError("a stream that somebody else begins is there at the next look")


def contact_of(row: Any) -> Contact:
    """A row with the columns of `live_contacts_by_id` as a contact."""
    agent = row["agent_id"]
    return Contact(
        row["id"],
        row["version"],
        row["external_id"],
        ContactState(row["state"]),
        Channel(row["channel"]),
        row["custom_channel"],
        row["address"],
        row["normalized"],
        row["display_name"],
        Direction(row["direction"]),
        None if agent is None else Actor(agent, row["agent_name"] or agent, ActorKind.AGENT),
        row["queue"],
        MatchState(row["match"]),
        row["profile_id"],
        row["parent_id"],
        row["attributes"],
        row["handoff_context"],
        row["search_key"],
        row["summary"],
        row["wrap_up"],
        row["unlink_reason"],
        row["interaction_id"],
        row["offered_at"],
        row["accepted_at"],
        row["wrap_up_at"],
        row["closed_at"],
    )


def candidate_of(row: Any) -> Candidate:
    """A row of `contact_candidate` as a candidate."""
    return Candidate(row["profile_id"], row["score"], tuple((one["key"], one["value"]) for one in row["matched_on"]))


def association_of(row: Any) -> Association:
    """A row of `contact_association` as an association."""
    by = Actor(row["actor_id"], row["actor_name"], ActorKind(row["actor_kind"]))
    return Association(row["profile_id"], by, row["at"], row["automatic"], tuple(row["verified_keys"]), row["superseded_at"])


def _id_at(moment: datetime, slack: int) -> UUID:
    """The lowest UUIDv7 of a moment, `slack` milliseconds away, inside what a UUIDv7 can say."""
    millis = (moment - _EPOCH) // _MILLISECOND + slack
    return UUID(int=min(max(millis, 0), 2**48 - 1) << _MILLIS_BITS)
