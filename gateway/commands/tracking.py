"""What customers do elsewhere becomes profiles, traits, companies and timeline items.

Owns the rules by which a batch of events finds or makes its profiles: known ids first, then an anonymous visitor who is now known, then an
e-mail or phone that exactly one profile has; never a merge of two known people. Set-based: one statement per table however many events.
Called by `transport.tracking` (Segment's wire format) and by `activities` (the GraphQL mutation).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.attribute_index import reindexed
from gateway.commands.identifiers import Secret
from gateway.commands.insights import InterestSignal, Signal, read_signal, write_signals
from gateway.commands.proposals import propose, propose_linked
from gateway.commands.resolution import ANONYMOUS_ID, USER_ID, Bindings, resolve_profiles
from gateway.commands.standing import survivors_of
from gateway.commands.tombstones import Tombstones
from gateway.commands.unit import Receipt, Retry, Unit, Writer
from gateway.commands.validation import json_element
from gateway.identity import EMAIL, PHONE
from gateway.model.activity import TimelineKind
from gateway.model.ids import uuid7
from gateway.model.profile import Channel, ProfileStatus
from gateway.model.trait import TraitKind, known_trait
from gateway.sources.contract import LookupKey
from gateway.storage.database import columns
from gateway.storage.queries import SQL
from gateway.vault import Vault

__all__ = ["CHUNK", "Activity", "Event", "Group", "Person", "Taken", "TraitMeta", "take_in", "understood"]

CHUNK = 250
"""Events of one transaction: short enough that nobody waits long for a profile's stream."""


@dataclass(frozen=True, slots=True)
class TraitMeta:
    """What a sender says about a trait besides its value: what it is, how sure, what made it, until when. None is not said."""

    kind: TraitKind | None = None
    category: str | None = None
    confidence: float | None = None
    model: str | None = None
    computed_from: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What an `identify` says of the person: columns of the profile, ways to reach them, and every other trait."""

    columns: Mapping[str, str | date | datetime | None] = field(default_factory=dict)
    email: str | None = None
    phone: str | None = None
    raw: Mapping[str, str] = field(default_factory=dict)
    """What was typed for `email` and `phone`."""
    traits: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, TraitMeta] = field(default_factory=dict)
    """What is said about some of the traits."""
    sealed: Mapping[str, bytes] = field(default_factory=dict)
    """SENSITIVE traits, as the vault sealed them."""


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
    signal: Signal | None = None
    """What the activity says beyond that it happened."""
    secrets: Mapping[LookupKey, Secret] = field(default_factory=dict)
    """What is kept of SENSITIVE identifiers, whose keys hold hashes."""
    older: Mapping[LookupKey, Sequence[LookupKey]] = field(default_factory=dict)
    """The same identifiers as they were hashed under earlier secrets of the server."""
    linked: tuple[LookupKey, ...] = ()
    """Identifiers that the sender says are this person's too; where they are somebody else's, a merge is proposed."""


def understood(activity: Activity) -> tuple[Activity, Signal | None]:
    """The activity as it is kept, and what it says besides: an interest is a kind of item of its own.

    Raises:
        Rejected: its name is a reserved one, and its properties do not say what such an event must.
    """
    signal = read_signal(activity.type, activity.detail) if activity.kind is TimelineKind.EXTERNAL else None
    if isinstance(signal, InterestSignal):
        return replace(activity, kind=TimelineKind.INTEREST, detail={**activity.detail, **signal.detail}), signal
    return activity, signal


class Taken(NamedTuple):
    """How many events were new and how many repeats; and the message ids of those that concern somebody erased and left no trace."""

    accepted: int
    duplicates: int
    ignored: frozenset[str]


async def take_in(
    writer: Writer,
    principal: Principal,
    source: str,
    events: Sequence[Event],
    action: Action = Action.INGEST,
    tombstones: Tombstones | None = None,
    vault: Vault | None = None,
) -> Taken:
    """Take in events in order, each once per (source, message id), in transactions of `CHUNK`.

    Raises:
        Forbidden: without the scope of `action`.
    """
    require(principal, action)
    accepted = duplicates = 0
    ignored: set[str] = set()
    for start in range(0, len(events), CHUNK):
        chunk = events[start : start + CHUNK]

        async def work(unit: Unit, chunk: Sequence[Event] = chunk) -> Receipt:
            return await _take_in_chunk(unit, source, chunk, tombstones, ignored, vault)

        receipt = await writer.run(principal, work)
        accepted += receipt.counts[0]
        duplicates += receipt.counts[1]
    return Taken(accepted, duplicates, frozenset(ignored))


async def _take_in_chunk(
    unit: Unit, source: str, events: Sequence[Event], tombstones: Tombstones | None, ignored: set[str], vault: Vault | None
) -> Receipt:
    by_message = {event.message_id: event for event in reversed(events)}  # of repeats in one batch the first counts
    new = {row["message_id"] for row in await unit.fetch("claim_messages", source, list(by_message))}
    fresh = [event for event in events if event.message_id in new and by_message[event.message_id] is event]
    repeats = len(events) - len(fresh)
    bindings = await _resolved(unit, fresh)
    erased = await _of_erased(unit, fresh, tombstones)
    if erased:
        ignored |= erased
        fresh = [event for event in fresh if event.message_id not in erased]
        bindings = await _resolved(unit, fresh)
    if fresh:
        owners = bindings.owners
        fields: dict[UUID, dict[str, None]] = {}
        # first of all: which contact point or company becomes the first of its kind must not change under us
        await _hold(
            unit, bindings, {owner for owner, event in zip(owners, fresh, strict=True) if event.person or event.group or event.signal}
        )
        await _make_profiles(unit, fresh, bindings, fields, source)
        persons = [(owner, event) for owner, event in zip(owners, fresh, strict=True) if event.person]
        said = {key for _, event in persons if event.person for key in (*event.person.traits, *event.person.sealed)}
        async with reindexed(unit, vault, [owner for owner, _ in persons], said):
            await _write_persons(unit, persons, bindings.became_known, fields, source)
        await propose(unit, [owner for owner, names in fields.items() if "contactPoints" in names])
        await _propose_linked(unit, [(owner, event.linked) for owner, event in zip(owners, fresh, strict=True) if event.linked])
        await _write_groups(unit, [(owner, event.group) for owner, event in zip(owners, fresh, strict=True) if event.group], fields)
        signals = [(owner, event.at, event.signal) for owner, event in zip(owners, fresh, strict=True) if event.signal]
        for profile_id, found in (await write_signals(unit, source, signals)).items():
            fields.setdefault(profile_id, {}).update(dict.fromkeys(sorted(found)))
        for profile_id, names in fields.items():
            if names:
                unit.profile_changed(profile_id, *names)
        await _write_activities(unit, [(owner, event) for owner, event in zip(owners, fresh, strict=True) if event.activity], source)
    return Receipt(counts=(len(fresh), repeats))


async def _resolved(unit: Unit, events: Sequence[Event]) -> Bindings:
    survivors = await survivors_of(unit, {event.profile_id for event in events if event.profile_id is not None})
    named = [event.profile_id and survivors.get(event.profile_id, event.profile_id) for event in events]
    older = {key: before for event in events for key, before in event.older.items()}
    return await resolve_profiles(unit, [_keys_of(event) for event in events], named, older)


async def _hold(unit: Unit, bindings: Bindings, changing: Collection[UUID]) -> None:
    """Lock the profiles that will change, and keep all others from being merged away; what was merged since it was found is found again."""
    changed = ({*changing} | bindings.became_known) - bindings.created
    written_to = {*bindings.owners} - bindings.created - changed
    held = [
        *(await unit.fetch("lock_profiles", sorted(changed)) if changed else ()),
        *(await unit.fetch("hold_profiles", sorted(written_to)) if written_to else ()),
    ]
    if any(row["status"] == ProfileStatus.MERGED.value for row in held):
        raise Retry


async def _propose_linked(unit: Unit, given: Sequence[tuple[UUID, Sequence[LookupKey]]]) -> None:
    if not given:
        return
    keys = list(dict.fromkeys(key for _, linked in given for key in linked))
    rows = await unit.fetch("first_owners_by_lookup", [key.key for key in keys], [key.value for key in keys])
    owners = {keys[row["n"] - 1]: row["owners"][0] for row in rows}
    await propose_linked(unit, {(owner, owners[key]) for owner, linked in given for key in linked if owners.get(key, owner) != owner})


async def _of_erased(unit: Unit, events: Sequence[Event], tombstones: Tombstones | None) -> set[str]:
    """The message ids of events that name somebody erased, by a value or by the profile; to be asked after their owners were looked up."""
    found: set[str] = set()
    if tombstones is not None:
        keys = {event.message_id: frozenset(chain(*_keys_of(event), *event.older.values())) for event in events}
        gone = await tombstones.among(unit, [key for part in keys.values() for key in part])
        found = {message_id for message_id, part in keys.items() if part & gone}
    named = sorted({event.profile_id for event in events if event.profile_id is not None})
    if named:
        erased = {row["id"] for row in await unit.fetch("erased_among", named)}
        found |= {event.message_id for event in events if event.profile_id in erased}
    return found


def _keys_of(event: Event) -> tuple[tuple[LookupKey, ...], tuple[LookupKey, ...]]:
    """Identifiers that bind, and contact values that may only find."""
    person = event.person
    hints = [LookupKey(key, value) for key, value in ((EMAIL, person.email), (PHONE, person.phone)) if value] if person else []
    return event.keys, tuple(hints)


async def _make_profiles(unit: Unit, events: Sequence[Event], bindings: Bindings, fields: dict[UUID, dict[str, None]], source: str) -> None:
    if bindings.became_known:
        visitors = sorted(bindings.became_known)  # locked by now
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
        secrets = {key: secret for event in events for key, secret in event.secrets.items()}
        identifiers = []
        for claim, profile_id in bindings.claims.items():
            secret = secrets.get(claim)
            kept = (uuid7(), typed.get(claim, claim.value), None) if secret is None else (secret.identifier_id, secret.shown, secret.sealed)
            identifiers.append((profile_id, kept[0], claim.key, kept[1], claim.value, source, kept[2]))
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
    described: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    sealed: dict[tuple[UUID, str], tuple[Any, ...]] = {}
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
            described.pop((owner, key), None)
            if key in person.meta:
                described[owner, key] = _description(owner, key, event.at, person.meta[key])
        for key, ciphertext in person.sealed.items():
            _, kind, category = known_trait(key)
            sealed[owner, key] = (owner, key, source, ciphertext, kind.value, category, event.at, None, None, None)
        for channel, normalized in ((Channel.EMAIL, person.email), (Channel.VOICE, person.phone)):
            if normalized:
                raw = person.raw.get(channel.value, normalized)
                points[owner, channel.value, normalized] = (owner, uuid7(), channel.value, None, raw, normalized, None, source)
    for statement, said in (("upsert_traits", traits), ("upsert_sealed_traits", sealed)):
        for row in await unit.fetch(statement, *columns(list(said.values()))) if said else ():
            fields.setdefault(row["profile_id"], {})["traits"] = None
    if described:
        await unit.fetch("describe_traits", source, *columns(list(described.values())))
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


def _description(owner: UUID, key: str, at: datetime, meta: TraitMeta) -> tuple[Any, ...]:
    kind = meta.kind and meta.kind.value
    return owner, key, at, kind, meta.category, meta.confidence, meta.model, meta.computed_from, meta.expires_at


def _merge(earlier: Group, later: Group) -> Group:
    return Group(earlier.natural_key, later.name or earlier.name, later.domain or earlier.domain, {**earlier.traits, **later.traits})


def _by_time(item: tuple[UUID, Event]) -> datetime:
    return item[1].at


_COLUMNS = ("first_name", "last_name", "avatar_url", "locale", "time_zone", "birth_date", "customer_since")
_GRAPHQL = dict(zip(_COLUMNS, ("firstName", "lastName", "avatarUrl", "locale", "timeZone", "birthDate", "customerSince"), strict=True))
