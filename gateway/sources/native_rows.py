"""From rows of the native tables to values.

Owns how each table's columns are read; a row comes with its columns in the order of its statements. Must not read a table, nor know who asks.
Called by `native`, and by commands for rows they hold.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.model.activity import (
    Direction,
    ExternalActivity,
    Interaction,
    InterestTriggered,
    Message,
    Sentiment,
    TimelineItem,
    TimelineKind,
    WrapUp,
)
from gateway.model.actor import Actor, ActorKind
from gateway.model.building import builder
from gateway.model.change import Position
from gateway.model.company import Company
from gateway.model.layout import DEFAULT_LAYOUT
from gateway.model.note import Note
from gateway.model.profile import Channel, ContactPoint, Identifier, Profile, ProfileLifecycle, ProfileStatus
from gateway.model.source import Source
from gateway.model.trait import Provenance, TraitFact, TraitKind

__all__ = ["activity_of", "company_of", "identifier_of", "note_of", "point_of", "profile_of", "trait_of"]

_Where = tuple[UUID, str, datetime, Source]
"""Profile, the item's own id, when, and the source."""
_HEX: Final = re.compile(r"[0-9a-f]{32}")


_CHANNELS: Final = {one.value: one for one in Channel}
_DIRECTIONS: Final = {one.value: one for one in Direction}
_KINDS: Final = {one.value: one for one in TimelineKind}
_ACTORS: Final = {one.value: one for one in ActorKind}
_TRAIT_KINDS: Final = {one.value: one for one in TraitKind}
"""As `Channel(value)`, at a third of its time: a screen asks two hundred times."""
_actor, _provenance, _fact, _note = builder(Actor), builder(Provenance), builder(TraitFact), builder(Note)
_interaction_of, _message, _interest, _external = (
    builder(Interaction),
    builder(Message),
    builder(InterestTriggered),
    builder(ExternalActivity),
)


def profile_of(row: asyncpg.Record | tuple[Any, ...]) -> Profile:
    """A row of `profiles_by_id` or `lock_profile` (or its values, in that order) as a profile; the latter do not know what the layout shows."""
    (
        key,
        version,
        status,
        lifecycle,
        first,
        middle,
        last,
        avatar,
        locale,
        zone,
        birth,
        since,
        created,
        updated,
        epoch,
        head,
        into,
        *shown,
    ) = row
    return Profile(
        key,
        version,
        ProfileStatus(status),
        ProfileLifecycle(lifecycle),
        first,
        middle,
        last,
        avatar,
        locale,
        zone,
        birth,
        since,
        created,
        updated,
        Position(epoch, head),
        into,
        external_types=_external_types(*shown) if shown else None,
    )


def _external_types(saved: list[str] | None) -> tuple[str, ...]:
    """What the workspace's layout shows of external activities, which may be nothing; the built-in layout where none was saved."""
    return DEFAULT_LAYOUT.external_activity_types if saved is None else tuple(saved)


def point_of(row: asyncpg.Record, source: Source) -> ContactPoint:
    """A row of `contacts_by_profile` of kind C as a contact point."""
    return ContactPoint(
        row["profile_id"],
        row["id"],
        Channel(row["type"]),
        row["custom_channel"],
        row["raw"],
        row["normalized"],
        row["label"],
        row["is_primary"],
        row["is_verified"],
        source,
    )


def identifier_of(row: asyncpg.Record, source: Source) -> Identifier:
    """A row of `contacts_by_profile` of kind I as an identifier."""
    return Identifier(
        row["profile_id"],
        row["id"],
        row["type"],
        row["raw"],
        row["normalized"],
        row["is_verified"],
        row["at"],
        source,
        row["is_sealed"],
    )


def trait_of(row: asyncpg.Record, source: Source) -> TraitFact:
    """A row of `traits_by_profile`, or one that begins like it, as what a source says."""
    _, key, _, value, kind, category, confidence, computed_from, model, observed, expires, actor_id, actor_name, actor_kind, sealed, *_ = (
        row
    )
    actor = _actor(actor_id, actor_name, ActorKind(actor_kind)) if actor_id else None
    provenance = _provenance(source, observed, computed_from, model, expires, actor)
    return _fact(key, value, _TRAIT_KINDS[kind], category, confidence, provenance, sealed)


def note_of(row: asyncpg.Record, source: Source) -> Note:
    """A row of `note` as a note."""
    profile_id, note_id, version, body, is_pinned, author_id, author_name, author_kind, created_at, updated_at, contact_id = row
    author = _actor(author_id, author_name, _ACTORS[author_kind])
    return _note(profile_id, note_id, version, body, is_pinned, author, created_at, updated_at, source, contact_id)


def company_of(row: asyncpg.Record) -> Company:
    """A row with a company's columns as a company."""
    return Company(row["id"], row["version"], row["name"], row["domain"])


def activity_of(row: asyncpg.Record, source: Source) -> TimelineItem:
    """A row of `activity` as a timeline item."""
    profile_id, occurred_at, _, native_id, kind, type_, channel, direction, account, detail = row
    where = profile_id, native_id.hex, occurred_at, source
    if kind == "INTERACTION":
        return _interaction(where, account, _CHANNELS[channel], _DIRECTIONS[direction], detail, type_)
    if kind == "MESSAGE":
        told = _text(detail, "text"), _text(detail, "conversation"), _hex(detail, "interaction"), _text(detail, "author")
        return _message(*where, account, _CHANNELS[channel], _DIRECTIONS[direction], *told, type_)
    if kind == "INTEREST":
        return _interest(*where, account, detail["topic"], detail["category"], detail.get("score"), type_)
    return _external(*where, _KINDS[kind], type_, account, detail)


def _interaction(
    where: _Where, account: str | None, channel: Channel, direction: Direction, detail: dict[str, Any], type_: str
) -> Interaction:
    agent, wrap_up, sentiment = detail.get("agent"), detail.get("wrapUp"), detail.get("sentiment")
    missing = detail.get("notRecorded")
    return _interaction_of(
        *where,
        account,
        channel,
        direction,
        _moment(detail.get("endedAt")),
        detail.get("queue"),
        _actor(agent["id"], agent.get("name") or agent["id"], ActorKind.AGENT) if agent else None,
        detail.get("outcome"),
        detail.get("summary"),
        _wrap_up(wrap_up) if wrap_up else None,
        Sentiment(sentiment) if sentiment else None,
        detail.get("attributes"),
        detail.get("measures"),
        detail.get("recordingUrl"),
        type_,
        _text(detail, "conversation") if "conversation" in detail else None,
        _hex(detail, "parent") if "parent" in detail else None,
        _hex(detail, "contact") if "contact" in detail else None,
        tuple(name for name in missing if isinstance(name, str)) if isinstance(missing, list) else (),
        _text(detail, "customChannel") if "customChannel" in detail else None,
    )


def _wrap_up(value: dict[str, Any]) -> WrapUp:
    return WrapUp(value.get("notes"), value.get("topic"), value.get("dispositionCode"), _moment(value.get("completedAt")))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(detail: dict[str, Any], key: str) -> str | None:
    """A sender may have put anything under a key that means something here only as a text."""
    value = detail.get(key)
    return value if isinstance(value, str) else None


def _hex(detail: dict[str, Any], key: str) -> str | None:
    value = _text(detail, key)
    return value if value is not None and _HEX.fullmatch(value) else None
