"""What customers do elsewhere becomes profiles, traits, companies and timeline items.

Owns the rules by which a batch of events finds or makes its profiles: known ids first, then an anonymous visitor who is now known, then an
e-mail or phone that exactly one profile has; never a merge of two known people. Set-based: one statement per table however many events.
Called by `transport.tracking` (Segment's wire format) and by `activities` (the GraphQL mutation).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.resolution import ANONYMOUS_ID, USER_ID, Bindings, resolve_profiles
from gateway.commands.unit import Receipt, Retry, Unit, Writer
from gateway.commands.validation import json_element
from gateway.identity import EMAIL, PHONE
from gateway.model.activity import TimelineKind
from gateway.model.ids import uuid7
from gateway.model.profile import Channel
from gateway.model.trait import known_trait
from gateway.sources.contract import LookupKey
from gateway.storage.database import columns
from gateway.storage.queries import SQL

__all__ = ["CHUNK", "Activity", "Event", "Group", "Person", "take_in"]

CHUNK = 250
"""Events of one transaction: short enough that nobody waits long for a profile's stream."""


@dataclass(frozen=True, slots=True)
class Person:
    """What an `identify` says of the person: columns of the profile, ways to reach them, and every other trait."""

    columns: Mapping[str, str | date | datetime | None] = field(default_factory=dict)
    email: str | None = None
    phone: str | None = None
    raw: Mapping[str, str] = field(default_factory=dict)
    """What was typed for `email` and `phone`."""
    traits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """What a `track` or `page` says happened."""

    kind: TimelineKind
    type: str
    detail: Mapping[str, Any]
    account: str | None = None
    channel: str | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The company a `group` puts the person into."""

    natural_key: str
    name: str
    domain: str | None
    traits: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One checked event. `keys`: the normalised identifiers it carries, strongest first; `profile_id` where the sender named the profile."""

    message_id: str
    at: datetime
    keys: tuple[LookupKey, ...]
    raw_keys: Mapping[LookupKey, str] = field(default_factory=dict)
    profile_id: UUID | None = None
    person: Person | None = None
    activity: Activity | None = None
    group: Group | None = None


async def take_in(
    writer: Writer, principal: Principal, source: str, events: Sequence[Event], action: Action = Action.INGEST
) -> tuple[int, int]:
    """Take in events in order, each once per (source, message id), in transactions of `CHUNK`; how many were new and how many repeats.

    Raises:
        Forbidden: without the scope of `action`.
    """
    require(principal, action)
    accepted = duplicates = 0
    for start in range(0, len(events), CHUNK):
        chunk = events[start : start + CHUNK]

        async def work(unit: Unit, chunk: Sequence[Event] = chunk) -> Receipt:
            return await _take_in_chunk(unit, source, chunk)

        receipt = await writer.run(principal, work)
        accepted += receipt.counts[0]
        duplicates += receipt.counts[1]
    return accepted, duplicates


async def _take_in_chunk(unit: Unit, source: str, events: Sequence[Event]) -> Receipt:
    by_message = {event.message_id: event for event in reversed(events)}  # of repeats in one batch the first counts
    new = {row["message_id"] for row in await unit.fetch("claim_messages", source, list(by_message))}
    fresh = [event for event in events if event.message_id in new and by_message[event.message_id] is event]
    if fresh:
        bindings = await resolve_profiles(unit, [_keys_of(event) for event in fresh], [event.profile_id for event in fresh])
        owners = bindings.owners
        fields: dict[UUID, dict[str, None]] = {}
        await _make_profiles(unit, fresh, bindings, fields, source)
        changing = sorted({owner for owner, event in zip(owners, fresh, strict=True) if event.person or event.group})
        if changing:  # first of all: which contact point or company becomes the first of its kind must not change under us
            await unit.fetch("lock_profiles", changing)
        persons = [(owner, event) for owner, event in zip(owners, fresh, strict=True) if event.person]
        await _write_persons(unit, persons, bindings.became_known, fields, source)
        await _write_groups(unit, [(owner, event.group) for owner, event in zip(owners, fresh, strict=True) if event.group], fields)
        for profile_id, names in fields.items():
            if names:
                unit.profile_changed(profile_id, *names)
        await _write_activities(unit, [(owner, event) for owner, event in zip(owners, fresh, strict=True) if event.activity], source)
    return Receipt(counts=(len(fresh), len(events) - len(fresh)))


def _keys_of(event: Event) -> tuple[tuple[LookupKey, ...], tuple[LookupKey, ...]]:
    """Identifiers that bind, and contact values that may only find."""
    person = event.person
    hints = [LookupKey(key, value) for key, value in ((EMAIL, person.email), (PHONE, person.phone)) if value] if person else []
    return event.keys, tuple(hints)


async def _make_profiles(unit: Unit, events: Sequence[Event], bindings: Bindings, fields: dict[UUID, dict[str, None]], source: str) -> None:
    if bindings.became_known:
        visitors = sorted(bindings.became_known)
        await unit.fetch("lock_profiles", visitors)
        if await unit.fetch("profiles_with_identifier", visitors, USER_ID):
            raise Retry  # somebody else became this person just now, and two known people are never joined
        for visitor in visitors:
            fields.setdefault(visitor, {})["lifecycle"] = None
    if bindings.claims:
        wanted = [(key.key, key.value, profile_id, True) for key, profile_id in bindings.claims.items()]
        if len(await unit.fetch("claim_lookups", *columns(wanted))) < len(wanted):
            raise Retry  # somebody else made the same person just now; find them instead
    if bindings.created:
        known = {profile_id for key, profile_id in bindings.claims.items() if key.key != ANONYMOUS_ID}
        rows = [(key, "PROSPECT" if key in known else "ANONYMOUS", None, None, "") for key in sorted(bindings.created)]
        await unit.fetch("insert_profiles", *columns(rows))
        for key in sorted(bindings.created):
            fields.setdefault(key, {})["lifecycle"] = None
    if bindings.claims:
        typed = {key: raw for event in events for key, raw in event.raw_keys.items()}
        identifiers = [
            (profile_id, uuid7(), key.key, typed.get(key, key.value), key.value, source) for key, profile_id in bindings.claims.items()
        ]
        await unit.fetch("insert_identifiers", *columns(identifiers))
        for profile_id in bindings.claims.values():
            fields.setdefault(profile_id, {})["identifiers"] = None


async def _write_persons(
    unit: Unit, given: Sequence[tuple[UUID, Event]], became_known: Collection[UUID], fields: dict[UUID, dict[str, None]], source: str
) -> None:
    merged: dict[UUID, dict[str, Any]] = {owner: {"is_known": True} for owner in became_known}
    if not given and not merged:
        return
    traits: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    points: dict[tuple[UUID, str, str], tuple[Any, ...]] = {}
    for owner, event in sorted(given, key=_by_time):
        person = event.person
        assert person is not None
        values = merged.setdefault(owner, {})
        values.update({name: value for name, value in person.columns.items() if value is not None})
        values["is_known"] = values.get("is_known", False) or any(key.key == USER_ID for key in event.keys)
        for key, value in person.traits.items():
            _, kind, category = known_trait(key)
            traits[owner, key] = (owner, key, source, json_element(value), kind.value, category, event.at, None, None, None)
        for channel, normalized in ((Channel.EMAIL, person.email), (Channel.VOICE, person.phone)):
            if normalized:
                raw = person.raw.get(channel.value, normalized)
                points[owner, channel.value, normalized] = (owner, uuid7(), channel.value, None, raw, normalized, None, source)
    for profile_id in {row["profile_id"] for row in await unit.fetch("upsert_traits", *columns(list(traits.values())))} if traits else ():
        fields.setdefault(profile_id, {})["traits"] = None
    if points:
        for row in await unit.fetch("upsert_contact_points", *columns(list(points.values()))):
            fields.setdefault(row["profile_id"], {})["contactPoints"] = None
        keys = {Channel.EMAIL.value: EMAIL, Channel.VOICE.value: PHONE}
        await unit.fetch("claim_lookups", *columns([(keys[channel], value, owner, False) for owner, channel, value in points]))
    touched = sorted(merged)
    rows = [(owner, *(merged[owner].get(name) for name in _COLUMNS), merged[owner]["is_known"]) for owner in touched]
    await unit.connection.execute(SQL["apply_identified_fields"], unit.workspace, *columns(rows))
    for owner in touched:
        names = fields.setdefault(owner, {})
        names.update(dict.fromkeys(_GRAPHQL[name] for name in _COLUMNS if name in merged[owner]))


async def _write_groups(unit: Unit, given: Sequence[tuple[UUID, Group]], fields: dict[UUID, dict[str, None]]) -> None:
    if not given:
        return
    companies: dict[str, Group] = {}
    for _, group in given:
        earlier = companies.get(group.natural_key)
        companies[group.natural_key] = group if earlier is None else _merge(earlier, group)
    rows = [(uuid7(), group.natural_key, group.name, group.domain, dict(group.traits)) for group in companies.values()]
    ids = {row["natural_key"]: row["id"] for row in await unit.fetch("upsert_companies", *columns(rows))}
    pairs = list(dict.fromkeys((owner, ids[group.natural_key]) for owner, group in given))
    added = {row["profile_id"] for row in await unit.fetch("insert_memberships", *columns(pairs))}
    for owner in added:
        fields.setdefault(owner, {}).update({"companies": None, "mainCompany": None})


async def _write_activities(unit: Unit, given: Sequence[tuple[UUID, Event]], source: str) -> None:
    rows = []
    for owner, event in given:
        activity = event.activity
        assert activity is not None
        item_id = uuid7(event.at)
        rows.append(
            (
                *(owner, event.at, source, item_id, activity.kind.value, activity.type),
                *(activity.channel, activity.direction, activity.account, dict(activity.detail)),
            )
        )
        unit.item_added(owner, item_id, source)
    if rows:
        await unit.fetch("insert_activities", *columns(rows))


def _merge(earlier: Group, later: Group) -> Group:
    return Group(earlier.natural_key, later.name or earlier.name, later.domain or earlier.domain, {**earlier.traits, **later.traits})


def _by_time(item: tuple[UUID, Event]) -> datetime:
    return item[1].at


_COLUMNS = ("first_name", "last_name", "avatar_url", "locale", "time_zone", "birth_date", "customer_since")
_GRAPHQL = dict(zip(_COLUMNS, ("firstName", "lastName", "avatarUrl", "locale", "timeZone", "birthDate", "customerSince"), strict=True))
